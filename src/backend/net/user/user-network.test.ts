import { createSocket } from "node:dgram";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Random } from "../../../../test/isa/random.ts";
import { BOOTP, DHCP_OPTION } from "../../../spec/net/dhcp.ts";
import { ARP, ETHERTYPE, ICMP, IPV4, PROTOCOL, TCP, TCP_FLAG, UDP } from "../../../spec/net/packet.ts";
import { createLink, GuestLink, HostLink } from "../ring-link.ts";
import { formatIpv4, parseIpv4, parsePrefix } from "./address.ts";
import { finishChecksum, sumBytes, sumPseudoHeader } from "./checksum.ts";
import { AT, FrameSender, readIpv4 } from "./packet.ts";
import { DEFAULT_PLAN } from "./plan.ts";
import { type NetworkPolicy, PolicyCheck } from "./policy.ts";
import { UserNetwork } from "./user-network.ts";

const { gateway, dns, guest, guestMac } = DEFAULT_PLAN;
const open: { close(): void }[] = [];
afterEach(() => {
  for (const thing of open.splice(0)) thing.close();
});

/** A guest without an operating system: it sends frames by the same code, and keeps those that come. */
class Guest {
  readonly received: Uint8Array[] = [];
  readonly network: UserNetwork;
  readonly sender: FrameSender;
  readonly raw: GuestLink;
  #waiting: (() => void)[] = [];

  constructor(policy?: NetworkPolicy) {
    const link = createLink();
    this.raw = new GuestLink(link);
    this.network = new UserNetwork(link, { plan: DEFAULT_PLAN, policy }, () => this.#take());
    open.push(this.network);
    void this.network.serve();
    const reversed = { toHost: link.toGuest, toGuest: link.toHost, offloads: new Int32Array(link.offloads.length) };
    const outwards = new HostLink(reversed, () => this.raw.notify());
    this.sender = new FrameSender(outwards, guestMac);
  }

  /** The next frame that `fits`. */
  async next(fits: (frame: Uint8Array) => boolean): Promise<Uint8Array> {
    for (;;) {
      const index = this.received.findIndex(fits);
      if (index >= 0) return this.received.splice(index, 1)[0]!;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async nextIpv4(protocol: number) {
    return readIpv4(await this.next((frame) => readIpv4(frame)?.protocol === protocol))!;
  }

  udp(destination: number, ports: readonly [from: number, to: number], data: Uint8Array): void {
    const route = { source: guest, destination, protocol: PROTOCOL.UDP };
    this.sender.ipv4(route, UDP.LENGTH + data.length, (packet, view) => {
      view.setUint16(UDP.SOURCE, ports[0]);
      view.setUint16(UDP.DESTINATION, ports[1]);
      view.setUint16(UDP.LENGTH_FIELD, packet.length);
      packet.set(data, UDP.LENGTH);
    });
  }

  tcp(
    ports: readonly [from: number, to: number],
    [sequence, acknowledged]: readonly [number, number],
    flags: number,
    data = "",
  ) {
    const route = { source: guest, destination: gateway, protocol: PROTOCOL.TCP };
    this.sender.ipv4(route, TCP.LENGTH + data.length, (segment, view) => {
      segment.fill(0);
      view.setUint16(TCP.SOURCE, ports[0]);
      view.setUint16(TCP.DESTINATION, ports[1]);
      view.setUint32(TCP.SEQUENCE, sequence);
      view.setUint32(TCP.ACKNOWLEDGMENT, acknowledged);
      view.setUint8(TCP.DATA_OFFSET, 0x50);
      view.setUint8(TCP.FLAGS, flags);
      view.setUint16(TCP.WINDOW, 1000);
      segment.set(new TextEncoder().encode(data), TCP.LENGTH);
    });
  }

  #take(): void {
    for (let frame = this.raw.peek(); frame; frame = this.raw.peek()) {
      this.received.push(frame.slice());
      this.raw.drop();
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

test("addresses and prefixes are read and written", () => {
  expect([parseIpv4("10.0.2.15"), parseIpv4("1.2.3"), parseIpv4("1.2.3.256")]).toEqual([
    0x0a00020f,
    undefined,
    undefined,
  ]);
  expect(formatIpv4(0xc0a80101)).toBe("192.168.1.1");
  expect(parsePrefix("10.1.2.3/8")).toEqual({ address: 0x0a000000, length: 8 });
  expect(() => parsePrefix("10.0.0.0/33")).toThrow("no address");
});

test("checksums are those of a packet in RFC 1071 and of a real one", () => {
  expect(sumBytes(Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8)).toBe(0x2ddf0);
  const header = Uint8Array.from("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7".match(/[\da-f]{2}/g)!, (hex) =>
    Number.parseInt(hex, 16),
  );
  expect(finishChecksum(sumBytes(header, 0, header.length))).toBe(0);
});

describe("a policy", () => {
  const target = (policy: NetworkPolicy, address: string, port = 80) =>
    new PolicyCheck(DEFAULT_PLAN, policy).target(parseIpv4(address)!, port, formatIpv4);

  test("lets out by default, but never to the host's loopback or the guest's own network", () => {
    expect(target({}, "1.2.3.4")).toBe("1.2.3.4");
    expect(["127.0.0.1", "10.0.2.2", "10.0.2.77", "224.0.0.1", "255.255.255.255"].map((to) => target({}, to))).toEqual(
      Array(5).fill(undefined),
    );
    expect(target({ hostLoopback: true }, "10.0.2.2")).toBe("127.0.0.1");
  });

  test("denies before it allows", () => {
    const policy = { allow: ["10.0.0.0/8", ":443"], deny: ["10.1.0.0/16", "10.2.2.2:25"] };
    expect(target(policy, "10.9.9.9")).toBe("10.9.9.9");
    expect([target(policy, "10.1.9.9"), target(policy, "10.2.2.2", 25), target(policy, "8.8.8.8")]).toEqual(
      Array(3).fill(undefined),
    );
    expect([target(policy, "10.2.2.2", 26), target(policy, "8.8.8.8", 443)]).toEqual(["10.2.2.2", "8.8.8.8"]);
    expect(() => target({ deny: ["nonsense"] }, "1.1.1.1")).toThrow("no address");
  });
});

test("every address of the network but the guest's is at the gateway's MAC", async () => {
  const one = new Guest();
  const ask = (target: number) =>
    one.sender.ethernet(ETHERTYPE.ARP, ARP.LENGTH, (request, view) => {
      view.setUint16(ARP.HARDWARE, ARP.ETHERNET);
      view.setUint16(ARP.PROTOCOL, ETHERTYPE.IPV4);
      view.setUint16(ARP.OPERATION, ARP.REQUEST);
      request.set(guestMac, ARP.SENDER_MAC);
      view.setUint32(ARP.SENDER_IP, guest);
      view.setUint32(ARP.TARGET_IP, target);
    });
  ask(guest);
  ask(dns);
  const reply = (await one.next(() => true)).subarray(AT.payload);
  const view = new DataView(reply.buffer, reply.byteOffset);
  expect([view.getUint16(ARP.OPERATION), view.getUint32(ARP.SENDER_IP)]).toEqual([ARP.REPLY, dns]);
  expect(reply.slice(ARP.SENDER_MAC, ARP.SENDER_MAC + 6)).toEqual(DEFAULT_PLAN.gatewayMac);
});

test("DHCP offers the guest its address, and refuses another", async () => {
  const one = new Guest();
  const message = (type: number, wanted?: number) => {
    const bytes = new Uint8Array(260);
    const view = new DataView(bytes.buffer);
    bytes.set([BOOTP.REQUEST, BOOTP.ETHERNET, 6]);
    view.setUint32(BOOTP.XID, 0x1234_5678);
    view.setUint32(BOOTP.COOKIE, BOOTP.COOKIE_VALUE);
    bytes.set([DHCP_OPTION.MESSAGE_TYPE, 1, type], BOOTP.OPTIONS);
    if (wanted !== undefined) {
      bytes.set([DHCP_OPTION.REQUESTED_ADDRESS, 4], BOOTP.OPTIONS + 3);
      view.setUint32(BOOTP.OPTIONS + 5, wanted);
    }
    bytes[BOOTP.OPTIONS + 9] = DHCP_OPTION.END;
    return bytes;
  };
  const ask = async (type: number, wanted?: number) => {
    one.udp(0xffff_ffff, [68, 67], message(type, wanted));
    const reply = (await one.nextIpv4(PROTOCOL.UDP)).payload.subarray(UDP.LENGTH);
    const view = new DataView(reply.buffer, reply.byteOffset);
    return [reply[BOOTP.OPTIONS + 2], view.getUint32(BOOTP.YIADDR), view.getUint32(BOOTP.XID)];
  };
  expect(await ask(1)).toEqual([2, guest, 0x1234_5678]);
  expect(await ask(3, guest)).toEqual([5, guest, 0x1234_5678]);
  expect(await ask(3, guest + 1)).toEqual([6, 0, 0x1234_5678]);
});

test("DNS knows what the host's resolver knows", async () => {
  const one = new Guest();
  const query = Uint8Array.from([
    0x12,
    0x34,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    9,
    ...Buffer.from("localhost"),
    0,
    0,
    1,
    0,
    1,
  ]);
  one.udp(dns, [4000, 53], query);
  const reply = (await one.nextIpv4(PROTOCOL.UDP)).payload.subarray(UDP.LENGTH);
  expect([...reply.subarray(0, 8)]).toEqual([0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1]);
  expect([...reply.subarray(-4)]).toEqual([127, 0, 0, 1]);
});

test("the gateway answers echo requests; nobody else does, and that is told", async () => {
  const one = new Guest();
  const ping = (destination: number) =>
    one.sender.ipv4({ source: guest, destination, protocol: PROTOCOL.ICMP }, 12, (packet, view) => {
      packet.set([ICMP.ECHO, 0, 0, 0, 0, 1, 0, 2, 1, 2, 3, 4]);
      view.setUint16(ICMP.CHECKSUM, finishChecksum(sumBytes(packet, 0, 12)));
    });
  ping(gateway);
  const { payload, source } = await one.nextIpv4(PROTOCOL.ICMP);
  expect([source, payload[0], ...payload.subarray(4)]).toEqual([gateway, 0, 0, 1, 0, 2, 1, 2, 3, 4]);
  expect(finishChecksum(sumBytes(payload, 0, 12))).toBe(0);
  ping(parseIpv4("1.2.3.4")!);
  expect([...(await one.nextIpv4(PROTOCOL.ICMP)).payload.subarray(0, 2)]).toEqual([
    ICMP.UNREACHABLE,
    ICMP.CODE_PROHIBITED,
  ]);
});

test("UDP goes to the host's loopback and back only if that is allowed", async () => {
  const echo = createSocket("udp4", (data, from) => echo.send(data, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
  open.push(echo);
  const { port } = echo.address();
  const one = new Guest({ hostLoopback: true });
  one.udp(gateway, [5000, port], Uint8Array.of(1, 2, 3));
  const { payload, view, source } = await one.nextIpv4(PROTOCOL.UDP);
  expect([source, view.getUint16(UDP.SOURCE), view.getUint16(UDP.DESTINATION)]).toEqual([gateway, port, 5000]);
  expect([...payload.subarray(UDP.LENGTH)]).toEqual([1, 2, 3]);
  expect(
    finishChecksum(sumBytes(payload, 0, payload.length, sumPseudoHeader(gateway, guest, PROTOCOL.UDP, payload.length))),
  ).toBe(0);
  const other = new Guest();
  other.udp(gateway, [5000, port], Uint8Array.of(1));
  expect((await other.nextIpv4(PROTOCOL.ICMP)).payload[0]).toBe(ICMP.UNREACHABLE);
});

describe("TCP", () => {
  test("connects, carries data both ways and closes both ways", async () => {
    const heard: string[] = [];
    const server = createServer((socket) => {
      socket.on("data", (data) => {
        heard.push(String(data));
        socket.end(`re: ${data}`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push(server);
    const ports = [6000, (server.address() as AddressInfo).port] as const;
    const one = new Guest({ hostLoopback: true });
    one.tcp(ports, [100, 0], TCP_FLAG.SYN);
    const opened = await one.nextIpv4(PROTOCOL.TCP);
    const start = opened.view.getUint32(TCP.SEQUENCE);
    expect([opened.view.getUint8(TCP.FLAGS), opened.view.getUint32(TCP.ACKNOWLEDGMENT)]).toEqual([
      TCP_FLAG.SYN | TCP_FLAG.ACK,
      101,
    ]);
    one.tcp(ports, [101, start + 1], TCP_FLAG.ACK, "hello");
    const isData = (frame: Uint8Array) => {
      const packet = readIpv4(frame);
      return packet !== undefined && packet.payload.length > (packet.view.getUint8(TCP.DATA_OFFSET) >>> 4) * 4;
    };
    const data = readIpv4(await one.next(isData))!;
    expect([
      String.fromCharCode(...data.payload.subarray(TCP.LENGTH)),
      data.view.getUint32(TCP.ACKNOWLEDGMENT),
    ]).toEqual(["re: hello", 106]);
    const isFin = (frame: Uint8Array) => ((readIpv4(frame)?.view.getUint8(TCP.FLAGS) ?? 0) & TCP_FLAG.FIN) !== 0;
    const fin = readIpv4(await one.next(isFin))!;
    expect(fin.view.getUint32(TCP.SEQUENCE)).toBe((start + 10) >>> 0);
    one.tcp(ports, [106, start + 11], TCP_FLAG.FIN | TCP_FLAG.ACK);
    const last = await one.next((frame) => readIpv4(frame)?.view.getUint32(TCP.ACKNOWLEDGMENT) === 107);
    expect([readIpv4(last)!.payload.length, heard]).toEqual([TCP.LENGTH, ["hello"]]);
  });

  test("what is not acknowledged is sent again", async () => {
    const server = createServer((socket) => socket.write("once"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push(server);
    const ports = [6001, (server.address() as AddressInfo).port] as const;
    const one = new Guest({ hostLoopback: true });
    one.tcp(ports, [1, 0], TCP_FLAG.SYN);
    const start = (await one.nextIpv4(PROTOCOL.TCP)).view.getUint32(TCP.SEQUENCE);
    one.tcp(ports, [2, start + 1], TCP_FLAG.ACK);
    const isOnce = (frame: Uint8Array) => readIpv4(frame)?.payload.length === TCP.LENGTH + 4;
    const first = await one.next(isOnce);
    expect((await one.next(isOnce)).subarray(AT.ipPayload)).toEqual(first.subarray(AT.ipPayload));
    one.tcp(ports, [2, start + 5], TCP_FLAG.RST | TCP_FLAG.ACK);
  });

  test("a connection that is refused, or not allowed, is reset", async () => {
    const one = new Guest({ hostLoopback: true });
    one.tcp([6002, 1], [500, 0], TCP_FLAG.SYN);
    const refused = await one.nextIpv4(PROTOCOL.TCP);
    expect([refused.view.getUint8(TCP.FLAGS), refused.view.getUint32(TCP.ACKNOWLEDGMENT)]).toEqual([
      TCP_FLAG.RST | TCP_FLAG.ACK,
      501,
    ]);
    const other = new Guest();
    other.tcp([6002, 22], [500, 0], TCP_FLAG.SYN);
    expect((await other.nextIpv4(PROTOCOL.TCP)).view.getUint8(TCP.FLAGS)).toBe(TCP_FLAG.RST | TCP_FLAG.ACK);
  });

  test("a forwarded port opens a connection to the guest", async () => {
    const one = new Guest();
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const hostPort = (probe.address() as AddressInfo).port;
    const forward = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort, guestPort: 80 } as const;
    await expect(one.network.forward([forward])).rejects.toThrow(/is in use/);
    await new Promise((resolve) => probe.close(resolve));
    await one.network.forward([forward]);
    const client = connect(hostPort, "127.0.0.1");
    const syn = await one.nextIpv4(PROTOCOL.TCP);
    expect([syn.source, syn.view.getUint16(TCP.DESTINATION), syn.view.getUint8(TCP.FLAGS)]).toEqual([
      gateway,
      80,
      TCP_FLAG.SYN,
    ]);
    client.destroy();
  });
});

const SEED = Number(process.env.SEED ?? 20261124);

test(`whatever a guest sends, nothing throws and the network goes on, seed ${SEED}`, async () => {
  console.log(`seed ${SEED} (SEED=n takes another)`);
  const random = new Random(SEED);
  const next = (below: number) => random.below(below);
  const one = new Guest({ deny: ["0.0.0.0/0"] });
  for (let n = 0; n < 5000; n++) {
    const route = {
      source: guest,
      destination: [gateway, dns, guest, 0xffff_ffff, next(2 ** 32)][next(5)]!,
      protocol: [1, 6, 17, next(256)][next(4)]!,
    };
    one.sender.ipv4(route, next(80), (packet, view) => {
      for (let at = 0; at < packet.length; at++) packet[at] = next(256);
      if (packet.length >= 4 && next(2)) view.setUint16(UDP.DESTINATION, [53, 67, 80][next(3)]!);
    });
    const length = next(100);
    const raw = one.raw.reserve(length);
    if (raw) {
      for (let at = 0; at < raw.length; at++) raw[at] = next(256);
      if (length > AT.payload + IPV4.LENGTH && next(2))
        raw.set([8, 0, 0x45, 0, 0, length - AT.payload], AT.payload - 2);
      one.raw.commit(length);
    }
    if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  one.received.length = 0;
  one.sender.ipv4({ source: guest, destination: gateway, protocol: PROTOCOL.ICMP }, 8, (packet) =>
    packet.set([ICMP.ECHO, 0, 0, 0, 0, 0, 9, 9]),
  );
  const isEcho = (frame: Uint8Array) => {
    const packet = readIpv4(frame);
    return (
      packet?.protocol === PROTOCOL.ICMP &&
      packet.payload[0] === 0 &&
      packet.payload[7] === 9 &&
      packet.payload.length === 8
    );
  };
  expect(await one.next(isEcho)).toBeDefined();
});
