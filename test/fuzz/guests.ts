import { create } from "../../src/base/struct-layout.ts";
import { KvmError } from "../../src/kvm/errno.ts";
import { kvm_regs } from "../../src/spec/kvm/vcpu-struct.ts";
import { Random } from "../isa/random.ts";
import { GuestMachine } from "./guest-machine.ts";
import {
  enterGuestMode,
  GUEST_MODES,
  GUEST_STACK,
  randomFlags,
  randomMemory,
  randomRegister,
  randomStart,
} from "./random-guest.ts";
import { count, instances, newReport, type Report, seedOf, type Task } from "./report.ts";
import { Watchdog } from "./watchdog.ts";

/** Looks at the clock that a guest may cause: one for every 20,000 instructions, and for accesses to devices. */
const LOOKS = 60;
/** Guests of one machine; places that take long to look at are looked at after them. */
const GUESTS_OF_A_MACHINE = 400;
/** Bytes by which the process may grow from its second machine on: machines that are done with are collected late. */
const GROWTH = 2 ** 30;

/** Seconds after which a guest that goes on hangs the host. */
const PATIENCE = 30;

/** Random bytes as code in every mode, over random tables, on a machine with the real board: the host must not notice. */
export function fuzzGuests(task: Task): Report {
  const report = newReport();
  let machine: GuestMachine | undefined;
  let watchdog: Watchdog | undefined;
  let made = 0;
  let base = 0;
  for (const n of instances(task)) {
    if (machine === undefined || made % GUESTS_OF_A_MACHINE === 0) {
      noteDamage(report, machine?.damageElsewhere(), task.seed, n - 1);
      watchdog?.stop();
      machine = new GuestMachine();
      watchdog = new Watchdog("guests", task.seed, PATIENCE, machine.vcpu.shared.kick);
      const { rss } = process.memoryUsage();
      if (made === GUESTS_OF_A_MACHINE) base = rss;
      if (base > 0 && rss > base + GROWTH) report.failures.push(`the process grew from ${base} to ${rss} bytes`);
    }
    made++;
    watchdog?.begin(n);
    if (!runGuest(machine, task.seed, n, report)) machine = undefined;
  }
  noteDamage(report, machine?.damageElsewhere(), task.seed, task.first ?? 0);
  watchdog?.stop();
  return report;
}

function replay(seed: number, n: number): string {
  return `npm run fuzz guests -- --seed ${seed} --first ${n} --count 1`;
}

function noteDamage(report: Report, damage: string | undefined, seed: number, n: number): boolean {
  if (damage !== undefined) report.failures.push(`${damage}: ${replay(seed, n)}`);
  return damage === undefined;
}

/** False: the machine is not to be used again. */
function runGuest(machine: GuestMachine, seed: number, n: number, report: Report): boolean {
  const random = new Random(seedOf(seed, n));
  const mode = GUEST_MODES[n % GUEST_MODES.length]!;
  count(report.counts, "guests");
  try {
    machine.reset();
    prepare(machine, mode, random);
    count(report.counts, `of these ${mode}: ${machine.run(LOOKS)}`);
  } catch (error) {
    if (error instanceof KvmError) {
      count(report.skipped, `refused: ${error.message}`);
      return true;
    }
    report.failures.push(`${replay(seed, n)} (${mode})\n${error instanceof Error ? error.stack : String(error)}`);
    return false;
  }
  return noteDamage(report, machine.damage(), seed, n);
}

function prepare({ vm, vcpu }: GuestMachine, mode: (typeof GUEST_MODES)[number], random: Random): void {
  vm.memory.write(0, randomMemory(mode, random));
  const sregs = vcpu.getSregs();
  enterGuestMode(sregs, mode, random);
  vcpu.setSregs(sregs);
  const regs = create(kvm_regs);
  for (let register = 0; register < 16; register++)
    regs.dataView.setBigUint64(8 * register, randomRegister(random), true);
  if (random.chance(80)) regs.rsp_num = GUEST_STACK;
  regs.rip_num = randomStart(mode, random);
  regs.rflags_num = randomFlags(mode, random);
  vcpu.setRegs(regs);
}
