import { ETHERNET, ETHERTYPE, PROTOCOL } from "../../../spec/net/packet.ts";
import { waitForNotify } from "../../shared-wait.ts";
import { HostLink, type SharedLink } from "../ring-link.ts";
import { answerArp } from "./arp.ts";
import { answerPing } from "./icmp.ts";
import { AT, FrameSender, readIpv4 } from "./packet.ts";
import type { NetworkPlan } from "./plan.ts";
import { type NetworkPolicy, PolicyCheck } from "./policy.ts";
import { TcpNat } from "./tcp-nat.ts";
import { UdpNat } from "./udp-nat.ts";

/** A port of the host's that leads to one of the guest's. */
export interface PortForward {
  readonly protocol: "tcp" | "udp";
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

export interface UserNetworkOptions {
  readonly plan: NetworkPlan;
  readonly policy?: NetworkPolicy | undefined;
  /** Sees every frame, as for a packet capture. */
  readonly onFrame?: ((frame: Uint8Array) => void) | undefined;
}

/** Frames that are taken before other work of the thread gets its turn. */
const BATCH = 256;

/**
 * A network for one guest without privileges: DHCP, DNS, and TCP and UDP to the outside by the host's sockets. It lives in
 * a thread with an event loop.
 */
export class UserNetwork {
  readonly #link: HostLink;
  readonly #plan: NetworkPlan;
  readonly #sender: FrameSender;
  readonly #tcp: TcpNat;
  readonly #udp: UdpNat;
  readonly #wake: () => void;
  #closed = false;

  /** `wake` makes the machine look at what came. Throws UserError for a policy that cannot be read. */
  constructor(link: SharedLink, { plan, policy, onFrame }: UserNetworkOptions, wake: () => void) {
    this.#link = new HostLink(link, wake);
    this.#plan = plan;
    this.#wake = wake;
    this.#sender = new FrameSender(this.#link, plan.gatewayMac);
    this.#sender.tap = onFrame;
    const glue = { plan, sender: this.#sender, policy: new PolicyCheck(plan, policy) };
    this.#tcp = new TcpNat(glue);
    this.#udp = new UdpNat(glue);
  }

  /** Opens the ports of the host's. Throws UserError if one cannot be had. */
  async forward(forwards: readonly PortForward[]): Promise<void> {
    for (const { protocol, hostAddress, hostPort, guestPort } of forwards)
      await (protocol === "tcp" ? this.#tcp : this.#udp).listen(hostAddress, hostPort, guestPort);
  }

  /** Takes frames until it is closed. */
  async serve(): Promise<void> {
    const { fromGuest } = this.#link;
    while (!this.#closed) {
      const sent = fromGuest.sent;
      if (this.#takeBatch()) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      await waitForNotify(fromGuest.cells, 0, sent);
    }
  }

  close(): void {
    this.#closed = true;
    this.#link.fromGuest.notify();
    this.#tcp.close();
    this.#udp.close();
  }

  /** Whether there may be more. */
  #takeBatch(): boolean {
    const { fromGuest } = this.#link;
    let taken = 0;
    for (let frame = fromGuest.peek(); frame && taken < BATCH; frame = fromGuest.peek()) {
      this.#take(frame);
      fromGuest.drop();
      taken++;
    }
    // the guest may wait for room
    if (taken > 0) this.#wake();
    return taken === BATCH;
  }

  #take(frame: Uint8Array): void {
    if (frame.length < AT.payload) return;
    this.#sender.tap?.(frame.subarray(AT.ethernet));
    const source = frame.subarray(AT.ethernet + ETHERNET.SOURCE, AT.ethernet + ETHERNET.SOURCE + 6);
    this.#sender.guestMac.set(source);
    const type = (frame[AT.ethernet + ETHERNET.TYPE]! << 8) | frame[AT.ethernet + ETHERNET.TYPE + 1]!;
    if (type === ETHERTYPE.ARP) answerArp(frame, this.#plan, this.#sender);
    else if (type === ETHERTYPE.IPV4) this.#takeIpv4(frame);
  }

  #takeIpv4(frame: Uint8Array): void {
    const packet = readIpv4(frame);
    if (packet?.protocol === PROTOCOL.TCP) this.#tcp.receive(packet);
    else if (packet?.protocol === PROTOCOL.UDP) this.#udp.receive(packet, frame);
    else if (packet?.protocol === PROTOCOL.ICMP) answerPing(packet, frame, this.#plan, this.#sender);
  }
}
