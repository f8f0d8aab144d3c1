import { connect, createServer, type Server, type Socket } from "node:net";
import { UserError } from "../../../base/assert.ts";
import { PROTOCOL, TCP, TCP_FLAG } from "../../../spec/net/packet.ts";
import { formatIpv4 } from "./address.ts";
import type { Ipv4Packet } from "./packet.ts";
import { TcpConnection, type TcpEnds } from "./tcp-connection.ts";
import type { NatGlue } from "./udp-nat.ts";

/** Connections that a guest may have at a time. */
const CONNECTIONS_MAXIMUM = 4096;
const FIRST_EPHEMERAL = 32_768;

/** TCP from and to the guest: every connection ends here and is joined to a socket of the host's. */
export class TcpNat {
  readonly #glue: NatGlue;
  readonly #connections = new Map<string, TcpConnection>();
  readonly #servers: Server[] = [];
  #nextPort = FIRST_EPHEMERAL;

  constructor(glue: NatGlue) {
    this.#glue = glue;
  }

  /** Takes a packet from the guest. */
  receive(packet: Ipv4Packet): void {
    const { view, payload } = packet;
    if (payload.length < TCP.LENGTH || (view.getUint8(TCP.DATA_OFFSET) >>> 4) * 4 > payload.length) return;
    const ends: TcpEnds = {
      guest: packet.source,
      guestPort: view.getUint16(TCP.SOURCE),
      remote: packet.destination,
      remotePort: view.getUint16(TCP.DESTINATION),
    };
    const known = this.#connections.get(keyOf(ends));
    if (known) return known.receive(packet);
    const flags = view.getUint8(TCP.FLAGS);
    if ((flags & (TCP_FLAG.SYN | TCP_FLAG.ACK | TCP_FLAG.RST)) === TCP_FLAG.SYN) this.#connect(ends, packet);
    else if (!(flags & TCP_FLAG.RST)) this.#refuse(ends, packet);
  }

  /** Joins a port of the host's to one of the guest's. Throws UserError if the host's cannot be had. */
  async listen(hostAddress: string, hostPort: number, guestPort: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket, guestPort));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(portError(error, hostAddress, hostPort)));
      server.listen(hostPort, hostAddress, resolve);
    });
    this.#servers.push(server);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const connection of [...this.#connections.values()]) connection.abort();
  }

  #connect(ends: TcpEnds, packet: Ipv4Packet): void {
    const host = this.#glue.policy.target(ends.remote, ends.remotePort, formatIpv4);
    if (host === undefined || this.#connections.size >= CONNECTIONS_MAXIMUM) return this.#refuse(ends, packet);
    const socket = connect({ host, port: ends.remotePort, allowHalfOpen: true });
    this.#create(ends).answer(packet, socket);
  }

  #accept(socket: Socket, guestPort: number): void {
    if (this.#connections.size >= CONNECTIONS_MAXIMUM) return void socket.destroy();
    const { guest, gateway } = this.#glue.plan;
    const ends = { guest, guestPort, remote: gateway, remotePort: this.#freePort(guestPort) };
    this.#create(ends).open(socket);
  }

  #freePort(guestPort: number): number {
    const { guest, gateway } = this.#glue.plan;
    for (;;) {
      const port = this.#nextPort;
      this.#nextPort = port === 65_535 ? FIRST_EPHEMERAL : port + 1;
      if (!this.#connections.has(keyOf({ guest, guestPort, remote: gateway, remotePort: port }))) return port;
    }
  }

  #create(ends: TcpEnds): TcpConnection {
    const { sender, plan } = this.#glue;
    const key = keyOf(ends);
    const connection = new TcpConnection(ends, sender, plan.mtu, () => this.#connections.delete(key));
    this.#connections.set(key, connection);
    return connection;
  }

  /** A reset, as from a host where nobody listens. [RFC 9293 3.10.7.1] */
  #refuse({ guest, guestPort, remote, remotePort }: TcpEnds, { view, payload }: Ipv4Packet): void {
    const flags = view.getUint8(TCP.FLAGS);
    const length = payload.length - (view.getUint8(TCP.DATA_OFFSET) >>> 4) * 4 + (flags & TCP_FLAG.SYN ? 1 : 0);
    const acknowledgment = view.getUint32(TCP.SEQUENCE) + length + (flags & TCP_FLAG.FIN ? 1 : 0);
    const sequence = flags & TCP_FLAG.ACK ? view.getUint32(TCP.ACKNOWLEDGMENT) : 0;
    const route = { source: remote, destination: guest, protocol: PROTOCOL.TCP };
    this.#glue.sender.ipv4(route, TCP.LENGTH, (segment, into) => {
      segment.fill(0);
      into.setUint16(TCP.SOURCE, remotePort);
      into.setUint16(TCP.DESTINATION, guestPort);
      into.setUint32(TCP.SEQUENCE, sequence);
      into.setUint32(TCP.ACKNOWLEDGMENT, flags & TCP_FLAG.ACK ? 0 : acknowledgment >>> 0);
      into.setUint8(TCP.DATA_OFFSET, (TCP.LENGTH / 4) << 4);
      into.setUint8(TCP.FLAGS, flags & TCP_FLAG.ACK ? TCP_FLAG.RST : TCP_FLAG.RST | TCP_FLAG.ACK);
    });
  }
}

function keyOf({ guest, guestPort, remote, remotePort }: TcpEnds): string {
  return `${guest}:${guestPort}:${remote}:${remotePort}`;
}

function portError({ code, message }: NodeJS.ErrnoException, address: string, port: number): UserError {
  const what = `port ${port} of ${address}`;
  if (code === "EADDRINUSE")
    return new UserError(`${what} is in use`, "Give another port, or stop what listens there.");
  if (code === "EACCES") return new UserError(`${what} needs privileges`, "Give a port from 1024 on.");
  return new UserError(`${what} cannot be had: ${message}`, "Give another address or port.");
}
