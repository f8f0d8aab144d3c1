import type { Socket } from "node:net";
import { PROTOCOL, TCP, TCP_FLAG, TCP_OPTION } from "../../../spec/net/packet.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { FrameSender, Ipv4Packet } from "./packet.ts";

/** The two ends as the guest sees them. */
export interface TcpEnds {
  readonly guest: number;
  readonly guestPort: number;
  readonly remote: number;
  readonly remotePort: number;
}

/** Bytes from the host's socket that wait for the guest; then the socket is paused. */
const SEND_LIMIT = 1 << 20;
/** Bytes from the guest that wait for the host's socket: the window that the guest sees. */
const RECEIVE_LIMIT = 1 << 20;
const WINDOW_SCALE = 7;
const DEFAULT_MSS = 536;
/** Bytes of a segment that the guest's driver takes as one. */
const LARGE_SEGMENT = 60_000;
const RETRANSMIT_MS = 200;
const RETRANSMIT_MAXIMUM_MS = 10_000;
const RETRANSMISSIONS = 12;
/** How long a connection that is over on both sides answers what comes late. */
const LINGER_MS = 1000;

/** One segment's header. */
interface Segment {
  readonly sequence: number;
  readonly flags: number;
  readonly data?: { readonly offset: number; readonly length: number };
}

/**
 * One connection of the guest's, ended here and joined to a socket of the host's: the other side's TCP. The way to the guest
 * loses nothing but what finds no room, so there is no congestion to control. [RFC 9293]
 */
export class TcpConnection {
  readonly ends: TcpEnds;
  readonly #sender: FrameSender;
  readonly #mtu: number;
  readonly #onClosed: () => void;
  #socket: Socket | undefined;
  // what is sent to the guest
  readonly #queue = new ByteQueue();
  #unacknowledged: number;
  /** Next sequence number to be sent, and the highest that was. */
  #next: number;
  #window = 0;
  #windowScale = 0;
  #mss = DEFAULT_MSS;
  #established = false;
  /** The host's side has ended; its FIN was sent; it was acknowledged. */
  #ended = false;
  #finSent = false;
  #finAcknowledged = false;
  // what comes from the guest
  #expected = 0;
  #guestEnded = false;
  #advertised = RECEIVE_LIMIT;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
  #closed = false;

  constructor(ends: TcpEnds, sender: FrameSender, mtu: number, onClosed: () => void) {
    this.ends = ends;
    this.#sender = sender;
    this.#mtu = mtu;
    this.#onClosed = onClosed;
    this.#unacknowledged = Math.floor(Math.random() * 2 ** 32);
    this.#next = this.#unacknowledged;
  }

  /** The guest's SYN has come: the socket is about to connect, and the answer waits for that. */
  answer(packet: Ipv4Packet, socket: Socket): void {
    this.#readSyn(packet);
    this.#join(socket);
    socket.once("connect", () => this.#sendSyn(TCP_FLAG.SYN | TCP_FLAG.ACK));
  }

  /** A socket that was accepted on the host is joined to a port of the guest's. */
  open(socket: Socket): void {
    this.#join(socket);
    socket.pause();
    this.#sendSyn(TCP_FLAG.SYN);
  }

  /** Takes a segment from the guest. */
  receive(packet: Ipv4Packet): void {
    const { view, payload } = packet;
    const flags = view.getUint8(TCP.FLAGS);
    if (flags & TCP_FLAG.RST) return this.abort();
    if (flags & TCP_FLAG.SYN) return this.#receiveSyn(packet, flags);
    if (!(flags & TCP_FLAG.ACK)) return;
    this.#acknowledge(view);
    if (this.#closed) return;
    const offset = (view.getUint8(TCP.DATA_OFFSET) >>> 4) * 4;
    this.#receiveData(view.getUint32(TCP.SEQUENCE), payload.subarray(offset), (flags & TCP_FLAG.FIN) !== 0);
    this.#transmit();
  }

  /** Ends the connection at once; the guest hears of it if the host's side broke off. */
  abort(tellGuest = false): void {
    if (this.#closed) return;
    if (tellGuest) this.#send({ sequence: this.#next, flags: TCP_FLAG.RST | TCP_FLAG.ACK });
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#onClosed();
  }

  #join(socket: Socket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => this.#fromHost(chunk));
    socket.on("end", () => {
      this.#ended = true;
      this.#transmit();
    });
    socket.on("drain", () => this.#updateWindow());
    socket.on("error", () => this.abort(true));
    socket.on("close", (failed: boolean) => {
      if (failed) this.abort(true);
    });
  }

  #fromHost(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    if (this.#queue.length > SEND_LIMIT) this.#socket!.pause();
    this.#transmit();
  }

  #readSyn({ view, payload }: Ipv4Packet): void {
    this.#expected = (view.getUint32(TCP.SEQUENCE) + 1) >>> 0;
    this.#window = view.getUint16(TCP.WINDOW);
    const end = Math.min(payload.length, (view.getUint8(TCP.DATA_OFFSET) >>> 4) * 4);
    let scale = -1;
    for (let at: number = TCP.LENGTH; at < end && payload[at] !== TCP_OPTION.END; ) {
      const kind = payload[at]!;
      const length = kind === TCP_OPTION.NOP ? 1 : Math.max(2, payload[at + 1] ?? 2);
      if (kind === TCP_OPTION.MSS && at + 4 <= end) this.#mss = Math.max(64, view.getUint16(at + 2));
      if (kind === TCP_OPTION.WINDOW_SCALE && at + 3 <= end) scale = Math.min(14, payload[at + 2]!);
      at += length;
    }
    this.#windowScale = scale;
    this.#mss = Math.min(this.#mss, this.#mtu - 40);
  }

  #sendSyn(flags: number): void {
    this.#send({ sequence: this.#unacknowledged, flags });
    this.#next = (this.#unacknowledged + 1) >>> 0;
    this.#startTimer();
  }

  /** The answer to our SYN, or the guest's SYN once more. */
  #receiveSyn(packet: Ipv4Packet, flags: number): void {
    if (this.#established) return this.#sendAck();
    if (!(flags & TCP_FLAG.ACK)) return;
    this.#readSyn(packet);
    this.#acknowledge(packet.view);
    this.#sendAck();
    this.#transmit();
  }

  #acknowledge(view: DataView): void {
    const acknowledged = view.getUint32(TCP.ACKNOWLEDGMENT);
    const window = view.getUint16(TCP.WINDOW);
    const isSyn = (view.getUint8(TCP.FLAGS) & TCP_FLAG.SYN) !== 0;
    this.#window = isSyn || this.#windowScale < 0 ? window : window * 2 ** this.#windowScale;
    const advance = (acknowledged - this.#unacknowledged) >>> 0;
    if (advance === 0 || advance > (this.#next - this.#unacknowledged) >>> 0) return;
    this.#attempts = 0;
    this.#unacknowledged = acknowledged;
    this.#dropAcknowledged(advance);
    this.#startTimer();
  }

  /** SYN and FIN take a sequence number each, which the queue does not hold. */
  #dropAcknowledged(advance: number): void {
    let bytes = advance;
    if (!this.#established) {
      this.#established = true;
      this.#socket!.resume();
      bytes--;
    }
    if (this.#finSent && bytes > this.#queue.length) {
      this.#finAcknowledged = true;
      bytes--;
    }
    this.#queue.drop(bytes);
    if (this.#queue.length < SEND_LIMIT / 2 && this.#socket!.isPaused()) this.#socket!.resume();
    this.#closeIfOver();
  }

  /** Data in order goes to the socket; what came before is acknowledged again, what comes too early is left out. */
  #receiveData(sequence: number, data: Uint8Array, fin: boolean): void {
    if (data.length === 0 && !fin) return;
    const old = (this.#expected - sequence) >>> 0;
    const isOld = old < 2 ** 31;
    if (!this.#established || !isOld || old > data.length) return this.#sendAck();
    const fresh = data.subarray(old);
    if (fresh.length > this.#receiveWindow()) return this.#sendAck();
    this.#expected = (this.#expected + fresh.length) >>> 0;
    if (fresh.length > 0) this.#socket!.write(fresh.slice());
    if (fin && !this.#guestEnded) {
      this.#expected = (this.#expected + 1) >>> 0;
      this.#guestEnded = true;
      this.#socket!.end();
    }
    this.#sendAck();
    this.#closeIfOver();
  }

  #receiveWindow(): number {
    return Math.max(0, RECEIVE_LIMIT - (this.#socket?.writableLength ?? 0));
  }

  /** Tells the guest of room that there was not. */
  #updateWindow(): void {
    if (!this.#closed && this.#established && this.#advertised < RECEIVE_LIMIT / 2) this.#sendAck();
  }

  /** Sends what the guest's window takes. */
  #transmit(): void {
    if (!this.#established || this.#closed) return;
    for (;;) {
      const sent = this.#sentBytes();
      const room = Math.min(this.#queue.length, this.#window) - sent;
      if (room <= 0) break;
      const limit = this.#sender.large ? LARGE_SEGMENT - (LARGE_SEGMENT % this.#mss) : this.#mss;
      const length = Math.min(room, limit);
      const flags = TCP_FLAG.ACK | (sent + length === this.#queue.length ? TCP_FLAG.PSH : 0);
      if (!this.#send({ sequence: this.#next, flags, data: { offset: sent, length } })) break;
      this.#next = (this.#next + length) >>> 0;
    }
    this.#transmitFin();
    this.#startTimer();
  }

  #transmitFin(): void {
    if (!this.#ended || this.#finSent || this.#sentBytes() < this.#queue.length) return;
    if (!this.#send({ sequence: this.#next, flags: TCP_FLAG.FIN | TCP_FLAG.ACK })) return;
    this.#finSent = true;
    this.#next = (this.#next + 1) >>> 0;
  }

  /** Bytes of the queue that were sent and not acknowledged. */
  #sentBytes(): number {
    const outstanding = (this.#next - this.#unacknowledged) >>> 0;
    return this.#finSent && !this.#finAcknowledged ? outstanding - 1 : outstanding;
  }

  /** A timer runs while something is unacknowledged, or waits for the guest's window. */
  #startTimer(): void {
    clearTimeout(this.#timer);
    const waits = this.#next !== this.#unacknowledged || (this.#established && this.#queue.length > 0);
    if (!waits || this.#closed) return;
    const delay = Math.min(RETRANSMIT_MAXIMUM_MS, RETRANSMIT_MS * 2 ** this.#attempts);
    this.#timer = setTimeout(() => this.#retransmit(), delay);
  }

  /** Everything unacknowledged is sent again; a closed window is probed with one byte. */
  #retransmit(): void {
    if (++this.#attempts > RETRANSMISSIONS) return this.abort(true);
    if (!this.#established) {
      const isAnswer = this.#expected !== 0;
      return this.#sendSyn(TCP_FLAG.SYN | (isAnswer ? TCP_FLAG.ACK : 0));
    }
    this.#next = this.#unacknowledged;
    this.#finSent = this.#finAcknowledged;
    if (this.#window === 0 && this.#queue.length > 0) {
      this.#send({ sequence: this.#next, flags: TCP_FLAG.ACK, data: { offset: 0, length: 1 } });
      this.#next = (this.#next + 1) >>> 0;
      return this.#startTimer();
    }
    this.#transmit();
  }

  #sendAck(): void {
    this.#send({ sequence: this.#next, flags: TCP_FLAG.ACK });
  }

  #send({ sequence, flags, data }: Segment): boolean {
    const options = flags & TCP_FLAG.SYN ? this.#synOptions() : undefined;
    const header = TCP.LENGTH + (options?.length ?? 0);
    const length = data?.length ?? 0;
    const { guest, guestPort, remote, remotePort } = this.ends;
    const route = { source: remote, destination: guest, protocol: PROTOCOL.TCP };
    const fill = (segment: Uint8Array, view: DataView) => {
      view.setUint16(TCP.SOURCE, remotePort);
      view.setUint16(TCP.DESTINATION, guestPort);
      view.setUint32(TCP.SEQUENCE, sequence);
      view.setUint32(TCP.ACKNOWLEDGMENT, flags & TCP_FLAG.ACK ? this.#expected : 0);
      view.setUint8(TCP.DATA_OFFSET, (header / 4) << 4);
      view.setUint8(TCP.FLAGS, flags);
      view.setUint16(TCP.WINDOW, this.#windowField(flags));
      view.setUint32(TCP.CHECKSUM, 0);
      if (options) segment.set(options, TCP.LENGTH);
      if (data) this.#queue.copy(data.offset, segment.subarray(header));
    };
    return this.#sender.ipv4(route, header + length, fill, length > this.#mss ? this.#mss : 0);
  }

  /** Scaled, but in a SYN. Without the guest's consent nothing is scaled. */
  #windowField(flags: number): number {
    this.#advertised = this.#receiveWindow();
    const scale = flags & TCP_FLAG.SYN || this.#windowScale < 0 ? 0 : WINDOW_SCALE;
    return Math.min(0xffff, this.#advertised >>> scale);
  }

  #synOptions(): Uint8Array {
    const mss = this.#mtu - 40;
    const scale = this.#windowScale < 0 ? [] : [TCP_OPTION.NOP, TCP_OPTION.WINDOW_SCALE, 3, WINDOW_SCALE];
    return Uint8Array.of(TCP_OPTION.MSS, 4, mss >>> 8, mss & 0xff, ...scale);
  }

  #closeIfOver(): void {
    if (!this.#guestEnded || !this.#finAcknowledged || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.abort(), LINGER_MS);
  }
}
