import { ICMP, IPV4, PROTOCOL } from "../../../spec/net/packet.ts";
import { finishChecksum, sumBytes } from "./checksum.ts";
import { AT, type FrameSender, type Ipv4Packet } from "./packet.ts";
import type { NetworkPlan } from "./plan.ts";

/** The guest's packet that an error tells of: its header and 8 bytes more. [RFC 792] */
const QUOTED = IPV4.LENGTH + 8;

/** Answers echo requests to our own addresses; others cannot be passed on without privileges. [RFC 792] */
export function answerPing(packet: Ipv4Packet, frame: Uint8Array, plan: NetworkPlan, sender: FrameSender): void {
  const { payload, source, destination } = packet;
  if (payload.length < ICMP.LENGTH || payload[ICMP.TYPE] !== ICMP.ECHO) return;
  if (destination !== plan.gateway && destination !== plan.dns)
    return sendUnreachable(packet, frame, plan, sender, ICMP.CODE_PROHIBITED);
  sender.ipv4({ source: destination, destination: source, protocol: PROTOCOL.ICMP }, payload.length, (reply, view) => {
    reply.set(payload);
    view.setUint8(ICMP.TYPE, ICMP.ECHO_REPLY);
    finish(reply, view);
  });
}

/** Tells the guest that a packet of its reached nobody. */
export function sendUnreachable(
  packet: Ipv4Packet,
  frame: Uint8Array,
  plan: NetworkPlan,
  sender: FrameSender,
  code: number,
): void {
  const quoted = frame.subarray(AT.payload, AT.payload + QUOTED);
  const route = { source: plan.gateway, destination: packet.source, protocol: PROTOCOL.ICMP };
  sender.ipv4(route, ICMP.LENGTH + quoted.length, (message, view) => {
    message.fill(0, 0, ICMP.LENGTH);
    view.setUint8(ICMP.TYPE, ICMP.UNREACHABLE);
    view.setUint8(ICMP.CODE, code);
    message.set(quoted, ICMP.LENGTH);
    finish(message, view);
  });
}

function finish(message: Uint8Array, view: DataView): void {
  view.setUint16(ICMP.CHECKSUM, 0);
  view.setUint16(ICMP.CHECKSUM, finishChecksum(sumBytes(message, 0, message.length)));
}
