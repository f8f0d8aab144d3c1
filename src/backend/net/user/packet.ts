import { ETHERNET, ETHERTYPE, IPV4, PROTOCOL, TCP, UDP } from "../../../spec/net/packet.ts";
import { NET_HDR } from "../../../spec/virtio/virtio-net.ts";
import type { HostLink } from "../ring-link.ts";
import { finishChecksum, fold, sumBytes, sumPseudoHeader } from "./checksum.ts";

/** Where the parts of a frame are, behind the virtio_net_hdr. */
export const AT = {
  ethernet: NET_HDR.LENGTH,
  payload: NET_HDR.LENGTH + ETHERNET.LENGTH,
  ipPayload: NET_HDR.LENGTH + ETHERNET.LENGTH + IPV4.LENGTH,
} as const;

/** An IPv4 packet from the guest, checked: its parts lie inside it. Used again for each packet. */
export interface Ipv4Packet {
  source: number;
  destination: number;
  protocol: number;
  /** What the packet carries. */
  payload: Uint8Array;
  view: DataView;
}

/** Reads the IPv4 packet of a frame; undefined if it is none that we take: damaged, or a fragment. */
export function readIpv4(frame: Uint8Array): Ipv4Packet | undefined {
  if (frame.length < AT.ipPayload) return undefined;
  const ip = new DataView(frame.buffer, frame.byteOffset + AT.payload, frame.length - AT.payload);
  const headerLength = (ip.getUint8(IPV4.VERSION_IHL) & 0x0f) * 4;
  const total = ip.getUint16(IPV4.TOTAL_LENGTH);
  if (ip.getUint8(IPV4.VERSION_IHL) >>> 4 !== 4 || headerLength < IPV4.LENGTH) return undefined;
  if (headerLength > total || total > ip.byteLength) return undefined;
  if ((ip.getUint16(IPV4.FRAGMENT) & IPV4.FRAGMENTED) !== 0) return undefined;
  const payload = frame.subarray(AT.payload + headerLength, AT.payload + total);
  return {
    source: ip.getUint32(IPV4.SOURCE),
    destination: ip.getUint32(IPV4.DESTINATION),
    protocol: ip.getUint8(IPV4.PROTOCOL),
    payload,
    view: new DataView(payload.buffer, payload.byteOffset, payload.length),
  };
}

/** What makes up an IPv4 packet to the guest. */
export interface Ipv4Route {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
}

/** Sends frames to the guest. What finds no room is dropped, as on a wire. */
export class FrameSender {
  readonly #link: HostLink;
  readonly #ownMac: Uint8Array;
  /** Where the guest's frames came from. */
  guestMac = new Uint8Array(6).fill(0xff);
  #identification = 0;
  /** Sees each frame without its virtio header, in either direction. */
  tap: ((frame: Uint8Array) => void) | undefined;

  constructor(link: HostLink, ownMac: Uint8Array) {
    this.#link = link;
    this.#ownMac = ownMac;
  }

  /** Whether segments larger than the MTU may be sent. */
  get large(): boolean {
    return this.#link.takesLargeSegments;
  }

  /** Sends an Ethernet frame whose payload `fill` writes; false if there was no room. */
  ethernet(type: number, length: number, fill: (payload: Uint8Array, view: DataView) => void): boolean {
    return this.#send(type, length, (frame) => {
      const payload = frame.subarray(AT.payload);
      fill(payload, new DataView(payload.buffer, payload.byteOffset, payload.length));
    });
  }

  /** Sends an IPv4 packet whose payload `fill` writes. `checksumAt` says where the payload's own checksum belongs. */
  ipv4(
    route: Ipv4Route,
    length: number,
    fill: (payload: Uint8Array, view: DataView) => void,
    segmentSize = 0,
  ): boolean {
    return this.#send(ETHERTYPE.IPV4, IPV4.LENGTH + length, (frame) => {
      this.#ipHeader(frame, route, length);
      const payload = frame.subarray(AT.ipPayload);
      fill(payload, new DataView(payload.buffer, payload.byteOffset, payload.length));
      this.#checksum(frame, route, payload, segmentSize);
    });
  }

  #send(type: number, length: number, fill: (frame: Uint8Array) => void): boolean {
    const frame = this.#link.reserve(AT.payload + length);
    if (frame === undefined) return false;
    frame.fill(0, 0, NET_HDR.LENGTH);
    frame.set(this.guestMac, AT.ethernet + ETHERNET.DESTINATION);
    frame.set(this.#ownMac, AT.ethernet + ETHERNET.SOURCE);
    frame[AT.ethernet + ETHERNET.TYPE] = type >>> 8;
    frame[AT.ethernet + ETHERNET.TYPE + 1] = type & 0xff;
    fill(frame);
    this.tap?.(frame.subarray(AT.ethernet));
    this.#link.send(frame.length);
    return true;
  }

  #ipHeader(frame: Uint8Array, { source, destination, protocol }: Ipv4Route, length: number): void {
    const ip = new DataView(frame.buffer, frame.byteOffset + AT.payload, IPV4.LENGTH);
    ip.setUint16(IPV4.VERSION_IHL, IPV4.VERSION_IHL_VALUE << 8);
    ip.setUint16(IPV4.TOTAL_LENGTH, IPV4.LENGTH + length);
    ip.setUint16(IPV4.IDENTIFICATION, this.#identification++ & 0xffff);
    ip.setUint16(IPV4.FRAGMENT, IPV4.DONT_FRAGMENT);
    ip.setUint8(IPV4.TTL, 64);
    ip.setUint8(IPV4.PROTOCOL, protocol);
    ip.setUint16(IPV4.CHECKSUM, 0);
    ip.setUint32(IPV4.SOURCE, source);
    ip.setUint32(IPV4.DESTINATION, destination);
    ip.setUint16(IPV4.CHECKSUM, finishChecksum(sumBytes(frame, AT.payload, AT.ipPayload)));
  }

  /** TCP and UDP: the whole sum, or for a guest that takes that only the pseudo-header's. */
  #checksum(frame: Uint8Array, { source, destination, protocol }: Ipv4Route, payload: Uint8Array, segmentSize: number) {
    if (protocol === PROTOCOL.ICMP) return;
    const at = protocol === PROTOCOL.TCP ? TCP.CHECKSUM : UDP.CHECKSUM;
    const pseudo = sumPseudoHeader(source, destination, protocol, payload.length);
    const view = new DataView(frame.buffer, frame.byteOffset);
    if (!this.#link.takesPartialChecksums) {
      view.setUint16(AT.ipPayload + at, 0);
      // 0 says that a UDP packet has no sum
      const whole = finishChecksum(sumBytes(frame, AT.ipPayload, frame.length, pseudo));
      return view.setUint16(AT.ipPayload + at, whole === 0 && protocol === PROTOCOL.UDP ? 0xffff : whole);
    }
    view.setUint16(AT.ipPayload + at, fold(pseudo));
    view.setUint8(NET_HDR.FLAGS, NET_HDR.FLAG_NEEDS_CSUM);
    view.setUint16(NET_HDR.CSUM_START, ETHERNET.LENGTH + IPV4.LENGTH, true);
    view.setUint16(NET_HDR.CSUM_OFFSET, at, true);
    if (segmentSize === 0) return;
    view.setUint8(NET_HDR.GSO_TYPE, NET_HDR.GSO_TCPV4);
    view.setUint16(NET_HDR.GSO_SIZE, segmentSize, true);
    view.setUint16(NET_HDR.HDR_LEN, ETHERNET.LENGTH + IPV4.LENGTH + TCP.LENGTH, true);
  }
}
