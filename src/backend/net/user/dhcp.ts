import { BOOTP, DHCP_MESSAGE, DHCP_OPTION } from "../../../spec/net/dhcp.ts";
import { maskOf } from "./address.ts";
import type { NetworkPlan } from "./plan.ts";

const LEASE_SECONDS = 86_400;
const REPLY_BYTES = 300;

/** The answer to a client's message, to be sent to its port on the broadcast address; undefined if there is none. [RFC 2131 4.3] */
export function answerDhcp(request: Uint8Array, plan: NetworkPlan): Uint8Array | undefined {
  if (request.length < BOOTP.OPTIONS || request[BOOTP.OP] !== BOOTP.REQUEST) return undefined;
  const view = new DataView(request.buffer, request.byteOffset, request.length);
  if (view.getUint32(BOOTP.COOKIE) !== BOOTP.COOKIE_VALUE) return undefined;
  const type = answerType(request, view, plan);
  return type === undefined ? undefined : reply(request, type, plan);
}

function answerType(request: Uint8Array, view: DataView, plan: NetworkPlan): number | undefined {
  switch (option(request, DHCP_OPTION.MESSAGE_TYPE)?.[0]) {
    case DHCP_MESSAGE.DISCOVER:
      return DHCP_MESSAGE.OFFER;
    case DHCP_MESSAGE.INFORM:
      return DHCP_MESSAGE.ACK;
    case DHCP_MESSAGE.REQUEST: {
      const wanted = option(request, DHCP_OPTION.REQUESTED_ADDRESS);
      const address = wanted?.length === 4 ? read32(wanted) : view.getUint32(BOOTP.CIADDR);
      return address === plan.guest ? DHCP_MESSAGE.ACK : DHCP_MESSAGE.NAK;
    }
    default:
      return undefined;
  }
}

/** An option's value. [RFC 2132 2] */
function option(message: Uint8Array, wanted: number): Uint8Array | undefined {
  for (let at: number = BOOTP.OPTIONS; at < message.length && message[at] !== DHCP_OPTION.END; ) {
    if (message[at] === DHCP_OPTION.PAD) {
      at++;
      continue;
    }
    const length = message[at + 1] ?? 0;
    if (at + 2 + length > message.length) return undefined;
    if (message[at] === wanted) return message.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}

function reply(request: Uint8Array, type: number, plan: NetworkPlan): Uint8Array {
  const message = new Uint8Array(REPLY_BYTES);
  const view = new DataView(message.buffer);
  message.set(request.subarray(0, BOOTP.COOKIE));
  message.fill(0, BOOTP.CHADDR + 16, BOOTP.COOKIE);
  view.setUint8(BOOTP.OP, BOOTP.REPLY);
  view.setUint32(BOOTP.YIADDR, type === DHCP_MESSAGE.NAK ? 0 : plan.guest);
  view.setUint32(BOOTP.SIADDR, plan.gateway);
  view.setUint32(BOOTP.COOKIE, BOOTP.COOKIE_VALUE);
  let at: number = BOOTP.OPTIONS;
  const add = (code: number, ...value: readonly number[]) => {
    message.set([code, value.length, ...value], at);
    at += 2 + value.length;
  };
  add(DHCP_OPTION.MESSAGE_TYPE, type);
  add(DHCP_OPTION.SERVER_ID, ...bytes32(plan.gateway));
  if (type !== DHCP_MESSAGE.NAK) {
    add(DHCP_OPTION.SUBNET_MASK, ...bytes32(maskOf(plan.prefixLength)));
    add(DHCP_OPTION.ROUTER, ...bytes32(plan.gateway));
    add(DHCP_OPTION.DNS, ...bytes32(plan.dns));
    add(DHCP_OPTION.MTU, plan.mtu >>> 8, plan.mtu & 0xff);
    add(DHCP_OPTION.LEASE_TIME, ...bytes32(LEASE_SECONDS));
  }
  message[at] = DHCP_OPTION.END;
  return message;
}

function read32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function bytes32(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
}
