import { readFileSync } from "node:fs";
import { describe, expect, TestRunner, test } from "vitest";
import { ManualClock } from "../../src/base/clock.ts";
import { SeededRandom } from "../../src/base/random.ts";
import { HostEngine } from "../../src/engine/host/engine.ts";
import { probe } from "../../src/engine/host/probe.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import type { Engine } from "../../src/kvm/engine.ts";
import { Random } from "../isa/random.ts";
import { CANDIDATES, compare, makeSample, type Result, Runner, type Sample, type SmallMode } from "./differential.ts";
import { faultOfDelivery, faultOfDevice, faultOfEmulator } from "./emulator-faults.ts";
import { hostObstacle } from "./host-obstacle.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
const COUNT = Number(process.env.FUZZ_COUNT ?? 1000);
/** Most differences that a failure prints. */
const SHOWN = 10;

const compiled = (path: string) => new WebAssembly.Module(readFileSync(new URL(`../../dist/${path}`, import.meta.url)));

function runnerOn(engine: Engine, mode: SmallMode): Runner {
  return new Runner({ engine, watch() {}, kickFromThread() {}, signalFromThread() {} }, mode);
}

function describeSample(sample: Sample, lines: readonly string[]): string {
  const bytes = Buffer.from(sample.code).toString("hex");
  return `${sample.mnemonics.join("; ")} (${bytes}): ${lines.join(", ")}`;
}

describe(`the same short guests on both engines, FUZZ_SEED=${SEED}`, () => {
  test.each(["real", "protected"] as const)(
    "in %s mode",
    (mode) => {
      compareEngines(mode);
    },
    60_000 + 20 * COUNT,
  );
});

function knownFault(sample: Sample, want: Result, got: Result, mode: SmallMode): string | undefined {
  return faultOfDevice(sample.mnemonics, got) ?? faultOfDelivery(want, got, mode);
}

function compareEngines(mode: SmallMode): void {
  const { context } = TestRunner.getCurrentTest()!;
  context.skip(hostObstacle !== undefined, hostObstacle);
  const host = new HostEngine();
  const emulated = probe(host).verdict === "emulated";
  const modules = { helpers: compiled("isa/helpers.wasm"), interpreter: compiled("engine/wasm/interpreter.wasm") };
  const [one, other] = [
    runnerOn(new WasmEngine(modules, new ManualClock(), new SeededRandom(1)), mode),
    runnerOn(host, mode),
  ];
  const random = new Random(SEED + (mode === "real" ? 0 : 1));
  const differing: string[] = [];
  const counts = { compared: 0, "not emulated": 0, "faults of the emulator": 0 };
  for (let n = 0; n < COUNT; n++) {
    const sample = makeSample(random, mode);
    if (emulated && faultOfEmulator(sample.mnemonics, mode)) counts["faults of the emulator"]++;
    else {
      const got = other.run(sample);
      if (emulated && got.incapable) counts["not emulated"]++;
      else {
        const want = one.run(sample);
        const lines = compare(sample, want, got);
        if (lines.length > 0 && emulated && knownFault(sample, want, got, mode)) counts["faults of the emulator"]++;
        else {
          counts.compared++;
          if (lines.length > 0) differing.push(describeSample(sample, lines));
        }
      }
    }
  }
  console.log(`${mode} mode, ${CANDIDATES.length} forms: ${JSON.stringify(counts)}`);
  if (process.env.FUZZ_SHOW) console.log(differing.join("\n"));
  expect(differing.slice(0, SHOWN)).toEqual([]);
  expect(counts.compared).toBeGreaterThan(COUNT / 3);
}
