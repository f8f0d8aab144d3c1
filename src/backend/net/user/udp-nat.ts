import { createSocket, type Socket } from "node:dgram";
import { DHCP_PORT } from "../../../spec/net/dhcp.ts";
import { DNS_PORT } from "../../../spec/net/dns.ts";
import { ICMP, PROTOCOL, UDP } from "../../../spec/net/packet.ts";
import { formatIpv4, parseIpv4 } from "./address.ts";
import { answerDhcp } from "./dhcp.ts";
import { answerDns } from "./dns.ts";
import { sendUnreachable } from "./icmp.ts";
import type { FrameSender, Ipv4Packet } from "./packet.ts";
import type { NetworkPlan } from "./plan.ts";
import type { PolicyCheck } from "./policy.ts";

const BROADCAST = 0xffff_ffff;
const IDLE_MS = 60_000;
/** Sockets that a guest may keep open; the one that was idle longest goes first. */
const SOCKETS_MAXIMUM = 1024;
const LOOPBACK = "127.0.0.1";

export interface NatGlue {
  readonly plan: NetworkPlan;
  readonly sender: FrameSender;
  readonly policy: PolicyCheck;
}

/** A socket of the host's for a port of the guest's. */
interface Mapping {
  readonly socket: Socket;
  timer: NodeJS.Timeout;
}

/** UDP from the guest: DHCP and DNS are answered here, the rest goes out by a socket for each of the guest's ports. */
export class UdpNat {
  readonly #glue: NatGlue;
  /** By the guest's port, in the order of their last use. */
  readonly #mappings = new Map<number, Mapping>();
  readonly #forwards: Socket[] = [];

  constructor(glue: NatGlue) {
    this.#glue = glue;
  }

  /** Takes a packet from the guest. */
  receive(packet: Ipv4Packet, frame: Uint8Array): void {
    const { payload, view } = packet;
    if (payload.length < UDP.LENGTH) return;
    const length = view.getUint16(UDP.LENGTH_FIELD);
    if (length < UDP.LENGTH || length > payload.length) return;
    const port = view.getUint16(UDP.DESTINATION);
    const data = payload.subarray(UDP.LENGTH, length);
    if (port === DHCP_PORT.SERVER) return this.#dhcp(data);
    if (port === DNS_PORT && packet.destination === this.#glue.plan.dns) return this.#dns(packet, data);
    this.#forward(packet, frame, port, data);
  }

  /** Sends what comes to a port of the host's to one of the guest's. */
  async listen(hostAddress: string, hostPort: number, guestPort: number): Promise<void> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(hostPort, hostAddress, resolve);
    });
    this.#forwards.push(socket);
    const clients = new ForwardedClients(this.#glue, socket, guestPort);
    socket.on("message", (data, from) => clients.toGuest(data, from.address, from.port));
    this.#onReply.push((packet, port, data) => clients.fromGuest(packet, port, data));
  }

  close(): void {
    for (const port of [...this.#mappings.keys()]) this.#forget(port);
    for (const socket of this.#forwards) socket.close();
  }

  /** Asked first: a packet may be the answer to one that was forwarded to the guest. */
  readonly #onReply: ((packet: Ipv4Packet, port: number, data: Uint8Array) => boolean)[] = [];

  #dhcp(data: Uint8Array): void {
    const { plan } = this.#glue;
    const reply = answerDhcp(data, plan);
    if (reply) this.#send(plan.gateway, DHCP_PORT.SERVER, BROADCAST, DHCP_PORT.CLIENT, reply);
  }

  #dns(packet: Ipv4Packet, query: Uint8Array): void {
    const port = packet.view.getUint16(UDP.SOURCE);
    const { source, destination } = packet;
    void answerDns(query.slice()).then((reply) => {
      if (reply) this.#send(destination, DNS_PORT, source, port, reply);
    });
  }

  #forward(packet: Ipv4Packet, frame: Uint8Array, port: number, data: Uint8Array): void {
    if (this.#onReply.some((take) => take(packet, port, data))) return;
    const host = this.#glue.policy.target(packet.destination, port, formatIpv4);
    if (host === undefined)
      return sendUnreachable(packet, frame, this.#glue.plan, this.#glue.sender, ICMP.CODE_PROHIBITED);
    this.#mapping(packet.view.getUint16(UDP.SOURCE), packet.source).send(data.slice(), port, host);
  }

  #mapping(guestPort: number, guest: number): Socket {
    const known = this.#mappings.get(guestPort) ?? this.#open(guestPort, guest);
    clearTimeout(known.timer);
    known.timer = setTimeout(() => this.#forget(guestPort), IDLE_MS);
    this.#mappings.delete(guestPort);
    this.#mappings.set(guestPort, known);
    return known.socket;
  }

  #open(guestPort: number, guest: number): Mapping {
    if (this.#mappings.size >= SOCKETS_MAXIMUM) this.#forget(this.#mappings.keys().next().value!);
    const socket = createSocket("udp4");
    socket.on("error", () => this.#forget(guestPort));
    socket.on("message", (data, from) => {
      const source = from.address === LOOPBACK ? this.#glue.plan.gateway : parseIpv4(from.address);
      if (source !== undefined) this.#send(source, from.port, guest, guestPort, data);
    });
    return { socket, timer: setTimeout(() => {}, 0) };
  }

  #forget(guestPort: number): void {
    const mapping = this.#mappings.get(guestPort);
    if (!mapping) return;
    this.#mappings.delete(guestPort);
    clearTimeout(mapping.timer);
    mapping.socket.close();
  }

  #send(source: number, sourcePort: number, destination: number, port: number, data: Uint8Array): void {
    sendUdp(this.#glue.sender, { source, sourcePort, destination, port }, data);
  }
}

/** Clients of a forwarded port: the guest sees the gateway, with a port for each of them. */
class ForwardedClients {
  readonly #glue: NatGlue;
  readonly #socket: Socket;
  readonly #guestPort: number;
  readonly #byName = new Map<string, number>();
  readonly #byPort = new Map<number, { address: string; port: number }>();
  #nextPort = 32_768;

  constructor(glue: NatGlue, socket: Socket, guestPort: number) {
    this.#glue = glue;
    this.#socket = socket;
    this.#guestPort = guestPort;
  }

  toGuest(data: Uint8Array, address: string, port: number): void {
    const name = `${address}:${port}`;
    let own = this.#byName.get(name);
    if (own === undefined) {
      own = this.#nextPort;
      this.#nextPort = this.#nextPort === 65_535 ? 32_768 : this.#nextPort + 1;
      const previous = this.#byPort.get(own);
      if (previous) this.#byName.delete(`${previous.address}:${previous.port}`);
      this.#byName.set(name, own);
      this.#byPort.set(own, { address, port });
    }
    const { plan, sender } = this.#glue;
    sendUdp(sender, { source: plan.gateway, sourcePort: own, destination: plan.guest, port: this.#guestPort }, data);
  }

  fromGuest(packet: Ipv4Packet, port: number, data: Uint8Array): boolean {
    if (packet.destination !== this.#glue.plan.gateway) return false;
    if (packet.view.getUint16(UDP.SOURCE) !== this.#guestPort) return false;
    const client = this.#byPort.get(port);
    if (client) this.#socket.send(data.slice(), client.port, client.address);
    return client !== undefined;
  }
}

interface UdpRoute {
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly port: number;
}

function sendUdp(sender: FrameSender, route: UdpRoute, data: Uint8Array): void {
  const { source, sourcePort, destination, port } = route;
  const length = UDP.LENGTH + data.length;
  sender.ipv4({ source, destination, protocol: PROTOCOL.UDP }, length, (packet, view) => {
    view.setUint16(UDP.SOURCE, sourcePort);
    view.setUint16(UDP.DESTINATION, port);
    view.setUint16(UDP.LENGTH_FIELD, length);
    view.setUint16(UDP.CHECKSUM, 0);
    packet.set(data, UDP.LENGTH);
  });
}
