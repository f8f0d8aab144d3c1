import { EEXIST, EINVAL, ENOENT } from "../spec/kvm/errno.ts";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
  type KvmIoeventfd,
} from "../spec/kvm/vm-struct.ts";
import type { EventFd } from "./eventfd.ts";

const VALID_FLAGS = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN;
const VALID_LENGTHS = [0, 1, 2, 4, 8];

interface Binding {
  readonly event: EventFd;
  readonly address: number;
  /** 0: of any length. */
  readonly length: number;
  /** Without a match any value signals. */
  readonly matchData: boolean;
  readonly matchLo: number;
  readonly matchHi: number;
}

/** The addresses whose writes signal an EventFd instead of leaving KVM_RUN: KVM_IOEVENTFD's rules. */
export class IoeventfdTable {
  readonly #pio = new Map<number, Binding[]>();
  readonly #mmio = new Map<number, Binding[]>();

  /** Binds or (KVM_IOEVENTFD_FLAG_DEASSIGN) unbinds. Returns 0, EINVAL, EEXIST or ENOENT. */
  set(args: KvmIoeventfd, event: EventFd): number {
    if (!isValid(args)) return EINVAL;
    const bus = args.flags & KVM_IOEVENTFD_FLAG_PIO ? this.#pio : this.#mmio;
    const binding = bindingOf(args, event);
    return args.flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? remove(bus, binding) : add(bus, binding);
  }

  /** Addresses that are watched. */
  get size(): number {
    return this.#pio.size + this.#mmio.size;
  }

  /** A guest's OUT of `size` bytes. True if it signalled an event: then it is no exit. */
  writePort(port: number, size: number, value: number): boolean {
    return this.#pio.size > 0 && signal(this.#pio, port, size, value, 0);
  }

  /** A guest's write of `length` bytes (1, 2, 4 or 8) outside the memory slots. True if it signalled an event. */
  writeMmio(gpa: number, length: number, lo: number, hi: number): boolean {
    return this.#mmio.size > 0 && signal(this.#mmio, gpa, length, lo, hi);
  }

  /** Forgets all. */
  clear(): void {
    this.#pio.clear();
    this.#mmio.clear();
  }
}

function isValid(args: KvmIoeventfd): boolean {
  if (args.flags & ~VALID_FLAGS || !VALID_LENGTHS.includes(args.len)) return false;
  if (args.len === 0 && args.flags & KVM_IOEVENTFD_FLAG_DATAMATCH) return false;
  return Number.isSafeInteger(args.addr_num + args.len);
}

function bindingOf(args: KvmIoeventfd, event: EventFd): Binding {
  return {
    event,
    address: args.addr_num,
    length: args.len,
    matchData: (args.flags & KVM_IOEVENTFD_FLAG_DATAMATCH) !== 0,
    matchLo: args.datamatch_lo,
    matchHi: args.datamatch_hi,
  };
}

function add(bus: Map<number, Binding[]>, binding: Binding): number {
  const others = bus.get(binding.address) ?? [];
  if (others.some((other) => collides(other, binding))) return EEXIST;
  bus.set(binding.address, [...others, binding]);
  return 0;
}

function remove(bus: Map<number, Binding[]>, binding: Binding): number {
  const bindings = bus.get(binding.address) ?? [];
  const rest = bindings.filter((other) => !isSame(other, binding));
  if (rest.length === bindings.length) return ENOENT;
  if (rest.length > 0) bus.set(binding.address, rest);
  else bus.delete(binding.address);
  return 0;
}

/** Two bindings that one write could match. */
function collides(a: Binding, b: Binding): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.length === b.length && (!a.matchData || !b.matchData || isSameData(a, b));
}

function isSame(a: Binding, b: Binding): boolean {
  if (a.event !== b.event || a.length !== b.length || a.matchData !== b.matchData) return false;
  return !a.matchData || isSameData(a, b);
}

function isSameData(a: Binding, b: Binding): boolean {
  return a.matchLo === b.matchLo && a.matchHi === b.matchHi;
}

function signal(bus: Map<number, Binding[]>, address: number, length: number, lo: number, hi: number): boolean {
  const bindings = bus.get(address);
  if (!bindings) return false;
  for (let index = 0; index < bindings.length; index++) {
    const binding = bindings[index]!;
    if (!matches(binding, length, lo, hi)) continue;
    binding.event.signal();
    return true;
  }
  return false;
}

function matches(binding: Binding, length: number, lo: number, hi: number): boolean {
  if (binding.length === 0) return true;
  if (binding.length !== length) return false;
  if (!binding.matchData) return true;
  const mask = length < 4 ? (1 << (length * 8)) - 1 : -1;
  return binding.matchLo === (lo & mask) >>> 0 && binding.matchHi === (length === 8 ? hi >>> 0 : 0);
}
