import { describe, expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import { EINTR } from "../../src/spec/kvm/errno.ts";
import { kvm_mp_state, kvm_regs } from "../../src/spec/kvm/vcpu-struct.ts";
import { Random } from "../isa/random.ts";
import { AT, Guest, MODES, type Mode, type Subject } from "./guest.ts";

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
/** Milliseconds for each mode. */
const TIME = Number(process.env.FUZZ_TIME ?? 600);
const EXITS = 40;
/** How long an endless loop may run, in ms. */
const PATIENCE = 4;

/** Whatever a guest executes, the engine goes on: an instruction, an exception or an exit. */
export function randomCodeSuite(makeSubject: () => Subject): void {
  describe(`random code, FUZZ_SEED=${SEED}`, () => {
    test.each(MODES)("in %s mode", (mode) => {
      const random = new Random(SEED + MODES.indexOf(mode));
      const subject = makeSubject();
      const guests = [{}, { irqchip: true, pit: true }].map((options) => new Guest(subject, mode, options));
      const initial = guests.map((guest) => ({ sregs: guest.vcpu.getSregs(), memory: snapshot(guest) }));
      let programs = 0;
      for (const end = performance.now() + TIME; performance.now() < end; programs++) {
        const n = programs % guests.length;
        guests[n]!.vcpu.setSregs(initial[n]!.sregs);
        guests[n]!.vm.memory.write(0, initial[n]!.memory);
        run(subject, guests[n]!, random, mode);
      }
      expect(programs).toBeGreaterThan(0);
    });
  });
}

function snapshot(guest: Guest): Uint8Array {
  const bytes = new Uint8Array(AT.code);
  guest.vm.memory.read(0, bytes);
  return bytes;
}

function run(subject: Subject, guest: Guest, random: Random, mode: Mode): void {
  const code = Uint8Array.from({ length: 0x1000 }, () => random.below(256));
  guest.vm.memory.write(AT.code, code);
  for (let vector = 0; vector < 32; vector++) guest.gate(vector, AT.code + random.below(code.length));
  const regs = create(kvm_regs, { rip: AT.code + random.below(0x800), rflags: 2 | (random.below(0x200) << 3) });
  for (let register = 0; register < 16; register++) regs.dataView.setBigUint64(8 * register, value(random, mode), true);
  regs.rsp_num = AT.stack;
  guest.vcpu.setRegs(regs);
  guest.vcpu.setMpState(create(kvm_mp_state));
  const end = performance.now() + PATIENCE;
  subject.kickFromThread(guest.vcpu, PATIENCE + 1);
  for (let exits = 0; exits < EXITS; exits++) {
    const interrupted = guest.vcpu.run() === EINTR;
    if (interrupted && performance.now() < end) continue;
    if (interrupted) return;
    const seen = guest.seen();
    if ("in" in seen) guest.exit.io.setValue(0, random.below(0x1_0000));
    else if ("read" in seen) guest.exit.mmio.setValue(random.below(0x1_0000_0000), random.below(0x1_0000_0000));
    else if ("exit" in seen && seen.exit !== "KVM_EXIT_HLT") return;
  }
}

/** Often an address in memory or near the hole, sometimes anything. */
function value(random: Random, mode: Mode): bigint {
  const low = BigInt(random.below(AT.end));
  if (random.below(4) > 0) return low;
  const any = (BigInt(random.below(0x1_0000_0000)) << 32n) | BigInt(random.below(0x1_0000_0000));
  return mode === "long" ? any : any & 0xffff_ffffn;
}
