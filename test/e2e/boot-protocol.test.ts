import { readFileSync } from "node:fs";
import { resolveImage, UserError } from "tskvm";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/random.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import type { BootMode } from "../../src/firmware/initial-state.ts";
import { MachineControl, REQUEST } from "../../src/machine/control.ts";
import { Machine } from "../../src/machine/machine.ts";

const module = (path: string) => new WebAssembly.Module(readFileSync(new URL(`../../dist/${path}`, import.meta.url)));

/** Boots a bzImage as it is, decompressor and all, until the kernel names itself on the serial port. */
function bootPacked(kernel: Uint8Array, mode: BootMode): string {
  const modules = { helpers: module("isa/helpers.wasm"), interpreter: module("engine/wasm/interpreter.wasm") };
  const clock = { now: () => performance.now() * 1e6, wallClock: () => Date.now() };
  const control = new MachineControl();
  let shown = "";
  const serial = {
    read: () => -1,
    write: (byte: number) => {
      shown += String.fromCharCode(byte);
      if (!/Linux version [^\n]*\n/.test(shown)) return;
      control.request(REQUEST.STOP);
      machine.kick();
    },
  };
  const boot = { kernel, kernelName: "bzImage", commandLine: "earlyprintk=serial,ttyS0,115200 nokaslr", mode };
  const machine = new Machine(
    { memorySize: 256 << 20, boot, onReset: "end" },
    { engine: new WasmEngine(modules, clock, new SeededRandom(1)), clock, serial, control },
  );
  expect(machine.run()).toEqual({ kind: "stopped" });
  machine.close();
  return shown;
}

describe("a packed kernel", () => {
  for (const mode of ["long64", "protected32"] as const)
    test(`entered by the boot protocol in ${mode}`, { timeout: 120_000 }, async (context) => {
      const image = await resolveImage("debian-cloud").catch((error: unknown) => {
        if (error instanceof UserError) return undefined;
        throw error;
      });
      context.skip(image === undefined, "no kernel: no archive can be reached");
      expect(bootPacked(readFileSync(image!.kernel), mode)).toMatch(/Linux version 6\.1\./);
    });
});
