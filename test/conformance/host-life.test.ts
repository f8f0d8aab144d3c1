import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import { HostEngine } from "../../src/engine/host/engine.ts";
import type { HostVcpu } from "../../src/engine/host/vcpu.ts";
import { kvm_pit_config } from "../../src/spec/kvm/vm-struct.ts";
import { Code } from "./assembler.ts";
import { AT, Guest, type Subject } from "./guest.ts";
import { hostObstacle } from "./host-obstacle.ts";

const HLT = { exit: "KVM_EXIT_HLT" };
const ALONE = { watch() {}, kickFromThread() {}, signalFromThread() {} };

/** What a process holds of the system. */
function holdings(): { descriptors: number; threads: number; residentKib: number } {
  const status = readFileSync("/proc/self/status", "latin1");
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  return { descriptors: readdirSync("/proc/self/fd").length, threads: number("Threads"), residentKib: number("VmRSS") };
}

/** A thread that runs the vCPUs it is given, each to its first exit, until it is told no more. */
const RUNNER = `
  import { parentPort } from "node:worker_threads";
  import { openVcpu } from ${JSON.stringify(new URL("../../dist/engine/host/vcpu.js", import.meta.url).href)};
  parentPort.on("message", ({ vcpu, done }) => {
    openVcpu(vcpu).run();
    Atomics.store(done, 0, 1);
    Atomics.notify(done, 0);
  });
`;

/** Eight vCPUs, of which the last runs in another thread while the first runs in this one. */
function lifeOfBigVm(subject: Subject, thread: Worker): void {
  const guest = new Guest(subject, "real", { irqchip: false });
  const vcpus = Array.from({ length: 7 }, (_, n) => guest.vm.createVcpu(n + 1) as HostVcpu);
  const last = vcpus.at(-1)!;
  guest.start(new Code(16, AT.code).outTo(1, 0x80, 7).hlt());
  last.setSregs(guest.vcpu.getSregs());
  last.setRegs(guest.vcpu.getRegs());
  const done = new Int32Array(new SharedArrayBuffer(4));
  thread.postMessage({ vcpu: last.shared, done });
  expect(guest.next()).toEqual({ out: 0x80, size: 1, data: [7] });
  Atomics.wait(done, 0, 0, 20_000);
  guest.close();
}

/** Every tenth has interrupt controllers, which take the kernel long to make and destroy. */
function lifeOfVm(subject: Subject, n: number): void {
  const irqchip = n % 10 === 0;
  const guest = new Guest(subject, "real", { irqchip, pit: irqchip });
  guest.vm.memory.fill(AT.data, 0x1000, 0xa5);
  guest.start(new Code(16, AT.code).outTo(1, 0x80, 7).hlt());
  expect(guest.next()).toEqual({ out: 0x80, size: 1, data: [7] });
  guest.close();
}

test("1,000 VMs made and destroyed leave descriptors, threads and memory as they were", (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const subject = { engine: new HostEngine(), ...ALONE };
  for (let n = 0; n < 100; n++) lifeOfVm(subject, n);
  const before = holdings();
  for (let n = 0; n < 1000; n++) lifeOfVm(subject, n);
  const after = holdings();
  expect(after.descriptors).toBe(before.descriptors);
  expect(after.threads).toBe(before.threads);
  expect(after.residentKib - before.residentKib).toBeLessThan(64 * 1024);
}, 60_000);

test("so do VMs of several vCPUs in threads", async (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const subject = { engine: new HostEngine(), ...ALONE };
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(RUNNER)}`));
  try {
    for (let n = 0; n < 20; n++) lifeOfBigVm(subject, thread);
    const before = holdings();
    for (let n = 0; n < 200; n++) lifeOfBigVm(subject, thread);
    const after = holdings();
    expect([after.descriptors, after.threads]).toEqual([before.descriptors, before.threads]);
    expect(after.residentKib - before.residentKib).toBeLessThan(64 * 1024);
  } finally {
    await thread.terminate();
  }
}, 60_000);

test("a VM that is refused or closed twice leaves no descriptor", (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const engine = new HostEngine();
  const { descriptors } = holdings();
  expect(() => engine.createVm({ maxMemory: 2 ** 40 })).toThrow("ENOMEM");
  const vm = engine.createVm({ maxMemory: 0x10_0000 });
  vm.createIrqchip();
  vm.createPit2(create(kvm_pit_config));
  vm.createVcpu(0);
  vm.close();
  vm.close();
  expect(holdings().descriptors).toBe(descriptors);
  engine.close();
});

/** A process with a VM whose guest loops for ever. */
const LOOPING = `
  import { HostEngine } from ${JSON.stringify(new URL("../../dist/engine/host/engine.js", import.meta.url).href)};
  const vm = new HostEngine().createVm({ maxMemory: 0x100000 });
  const vcpu = vm.createVcpu(0);
  console.log("running");
  vcpu.run();
  for (;;) vcpu.run();
`;

test("a process that is killed while its guest runs is gone, and so is its VM", async (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const child = spawn(process.execPath, ["--input-type=module", "-e", LOOPING], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const pid = child.pid!;
  expect(descriptorsOf(pid).filter((name) => name.includes("kvm")).length).toBeGreaterThan(2);
  child.kill("SIGKILL");
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  await sleep(0);
  expect(() => descriptorsOf(pid)).toThrow("ENOENT");
});

function descriptorsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`);
    } catch {
      return "";
    }
  });
}

test("a closed VM's guest goes on in a new one", (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const subject = { engine: new HostEngine(), ...ALONE };
  const first = new Guest(subject, "real").start(new Code(16, AT.code).outTo(1, 0x80, 7).hlt());
  first.next();
  first.complete();
  const [regs, sregs] = [first.vcpu.getRegs(), first.vcpu.getSregs()];
  const memory = new Uint8Array(AT.hole);
  first.vm.memory.read(0, memory);
  first.close();
  const second = new Guest(subject, "real");
  second.vm.memory.write(0, memory);
  second.vcpu.setSregs(sregs);
  second.vcpu.setRegs(regs);
  expect(second.next()).toEqual(HLT);
});
