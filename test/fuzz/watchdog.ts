import { Worker } from "node:worker_threads";

/** Ends the process, with a line that repeats it, when one instance takes too long; wakes a guest that sleeps. */
const WATCHER = `
  const { workerData, writeSync } = { ...require("node:worker_threads"), ...require("node:fs") };
  const { at, name, seed, seconds, kick } = workerData;
  let last = -1;
  let since = Date.now();
  setInterval(() => {
    if (kick) { Atomics.store(kick, 0, 1); Atomics.notify(kick, 0); }
    const now = Atomics.load(at, 0);
    if (now !== last) { last = now; since = Date.now(); }
    else if (Date.now() - since > seconds * 1000) {
      writeSync(1, "the host hangs: npm run fuzz " + name + " -- --seed " + seed + " --first " + now + " --count 1\\n");
      process.kill(process.pid, "SIGKILL");
    }
  }, kick ? 5 : 1000);
`;

/** Watches, in a thread of its own, that a fuzzer comes from instance to instance. */
export class Watchdog {
  readonly #at = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;

  /** `name`: the fuzzer's. `kick`: a word that wakes a guest when it is set. */
  constructor(name: string, seed: number, seconds: number, kick?: Int32Array) {
    const workerData = { at: this.#at, name, seed, seconds, kick };
    this.#worker = new Worker(WATCHER, { eval: true, execArgv: [], workerData });
  }

  /** Instance `n` begins. */
  begin(n: number): void {
    Atomics.store(this.#at, 0, n);
  }

  stop(): void {
    void this.#worker.terminate();
  }
}
