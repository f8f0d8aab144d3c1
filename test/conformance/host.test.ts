import { Worker } from "node:worker_threads";
import { afterAll, test } from "vitest";
import { HostEngine } from "../../src/engine/host/engine.ts";
import { HostEventFd } from "../../src/engine/host/event-fd.ts";
import { type ProbeResult, probe } from "../../src/engine/host/probe.ts";
import { HostVcpu } from "../../src/engine/host/vcpu.ts";
import type { Vcpu } from "../../src/kvm/vcpu.ts";
import { engineSuite } from "./engine.suite.ts";
import type { Subject } from "./guest.ts";
import { hostObstacle } from "./host-obstacle.ts";

/** The other thread: kicks and signals after some time, and regularly while a test runs too long. */
const THREAD = `
  import { writeSync } from "node:fs";
  import { parentPort } from "node:worker_threads";
  import { HostKicker } from ${JSON.stringify(new URL("../../dist/engine/host/shared-vcpu.js", import.meta.url).href)};
  const one = new Uint8Array(new BigUint64Array([1n]).buffer);
  let watchdog;
  parentPort.on("message", ({ vcpu, event, milliseconds }) => {
    const kicker = vcpu && HostKicker.of(vcpu);
    if (milliseconds !== undefined)
      return setTimeout(() => (event === undefined ? kicker.kick() : writeSync(event, one)), milliseconds);
    clearInterval(watchdog);
    watchdog = setInterval(() => kicker.kick(), 5000);
  });
`;
const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(THREAD)}`));
afterAll(() => thread.terminate());

function tell(vcpu: Vcpu, milliseconds?: number, event?: number): void {
  if (!(vcpu instanceof HostVcpu)) throw new Error("not a vCPU of this engine");
  thread.postMessage({ vcpu: vcpu.shared, event, milliseconds });
}

function subjectOf(engine: HostEngine, found: ProbeResult): Subject {
  const long = found.verdict === "fails" ? `engine host: a 64-bit guest fails: ${found.how}` : undefined;
  return {
    engine,
    obstacle: (mode) => (mode === "long" || mode === "compatibility" ? long : undefined),
    emulated: found.verdict === "emulated",
    watch: (vcpu) => tell(vcpu),
    kickFromThread: (vcpu, milliseconds) => tell(vcpu, milliseconds),
    signalFromThread: (vcpu, event, milliseconds) => {
      if (!(event instanceof HostEventFd)) throw new Error("not an eventfd of this engine");
      tell(vcpu, milliseconds, event.fd);
    },
  };
}

if (hostObstacle !== undefined)
  test("engine host", (context) => {
    context.skip(hostObstacle);
  });
else {
  const engine = new HostEngine();
  const found = probe(engine);
  console.log(`engine host: a 64-bit guest: ${JSON.stringify(found)}`);
  engineSuite("host", () => subjectOf(engine, found));
}
