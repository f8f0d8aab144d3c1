import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { HostEngine } from "../../src/engine/host/engine.ts";
import { HostKicker } from "../../src/engine/host/shared-vcpu.ts";
import type { HostVcpu } from "../../src/engine/host/vcpu.ts";
import { Code, IF, R } from "./assembler.ts";
import { AT, Guest } from "./guest.ts";
import { hostObstacle } from "./host-obstacle.ts";

/** A thread that runs a vCPU to its first exit and tells how it came out. */
const RUNNER = `
  import { parentPort, workerData } from "node:worker_threads";
  import { openVcpu } from ${JSON.stringify(new URL("../../dist/engine/host/vcpu.js", import.meta.url).href)};
  const vcpu = openVcpu(workerData);
  parentPort.postMessage("ready");
  parentPort.postMessage([vcpu.run(), vcpu.kvmRun[8], Number(vcpu.getRegs().rax)]);
`;

async function runIn(vcpu: HostVcpu): Promise<{ result: Promise<[number, number, number]>; end: () => unknown }> {
  const url = new URL(`data:text/javascript,${encodeURIComponent(RUNNER)}`);
  const worker = new Worker(url, { workerData: vcpu.shared });
  expect(await once(worker, "message")).toEqual(["ready"]);
  return { result: once(worker, "message").then(([message]) => message), end: () => worker.terminate() };
}

test("two vCPUs run at once, each in its own thread, on the same memory", async (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const guest = new Guest({ engine: new HostEngine(), watch() {}, kickFromThread() {}, signalFromThread() {} }, "real");
  const second = guest.vm.createVcpu(1) as HostVcpu;
  second.setSregs(guest.vcpu.getSregs());
  // each waits for the other's word: neither ends unless both run
  const code = (own: number, other: number, origin: number): Code => {
    const program = new Code(16, origin)
      .mov(R.ax, own)
      .store(2, AT.data + 2 * own, R.ax)
      .label("wait");
    return program
      .memory(2, [0x83], 7, AT.data + 2 * other)
      .bytes(0)
      .jumpIf(IF.zero, "wait")
      .hlt();
  };
  guest.place(code(2, 1, AT.code + 0x100));
  const regs = guest.vcpu.getRegs();
  regs.rip_num = AT.code + 0x100;
  regs.rflags_num = 2;
  second.setRegs(regs);
  guest.start(code(1, 2, AT.code));
  const runners = await Promise.all([runIn(guest.vcpu as HostVcpu), runIn(second)]);
  expect(await Promise.all(runners.map(({ result }) => result))).toEqual([
    [0, 5, 1],
    [0, 5, 2],
  ]);
  for (const { end } of runners) await end();
  guest.close();
});

test("a kick from another thread ends an endless loop, and a late one is harmless", async (context) => {
  context.skip(hostObstacle !== undefined, hostObstacle);
  const guest = new Guest({ engine: new HostEngine(), watch() {}, kickFromThread() {}, signalFromThread() {} }, "real");
  guest.start(new Code(16, AT.code).label("loop").jump("loop"));
  const runner = await runIn(guest.vcpu as HostVcpu);
  const kicker = HostKicker.of((guest.vcpu as HostVcpu).shared);
  kicker.kick();
  expect(await runner.result).toEqual([4, 10, 0]);
  await runner.end();
  guest.close();
  kicker.kick();
  expect(guest.vcpu.kvmRun.length).toBeGreaterThan(4096);
});
