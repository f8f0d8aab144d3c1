import { startMachine, UserError } from "tskvm";
import { describe, expect, test } from "vitest";
import { debugExit, echoUntil, flood, print, program, reset, spin } from "../guest/programs.ts";

const small = { engine: "wasm", memory: "32M", debugExit: true } as const;

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  let all = "";
  for await (const chunk of stream) all += chunk.toString("latin1");
  return all;
}

describe("a machine of the SDK", () => {
  test("boots bytes, talks over its console, and tells why it ended and what it did", async () => {
    const machine = await startMachine({ ...small, kernel: program(print("?"), echoUntil("."), debugExit(2)) });
    machine.console.write("yes.");
    expect(await text(machine.console)).toBe("?yes.");
    expect(await machine.exited).toEqual({ kind: "debug-exit", status: 5 });
    expect(machine.stats().instructions).toBeGreaterThan(20);
  });

  test("stops when told, and once it has ended stays ended", async () => {
    const machine = await startMachine({ ...small, kernel: program(spin) });
    const start = performance.now();
    expect(await machine.stop()).toEqual({ kind: "stopped" });
    expect(performance.now() - start).toBeLessThan(900);
    expect(await machine.stop()).toEqual({ kind: "stopped" });
    expect(await text(machine.console)).toBe("");
  });

  test("stops even while the guest waits for somebody to read its output", async () => {
    const machine = await startMachine({ ...small, kernel: program(flood) });
    for (let before: number | undefined = -1; machine.stats().instructions !== before; ) {
      before = machine.stats().instructions;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(await machine.stop()).toEqual({ kind: "stopped" });
  });

  test("starts anew when its reset button is pressed", async () => {
    const machine = await startMachine({ ...small, kernel: program(print("on\n"), echoUntil("."), debugExit(0)) });
    let shown = "";
    machine.console.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      if (shown === "on\n") machine.reset();
      if (shown === "on\non\n") machine.console.write(".");
    });
    await new Promise((resolve) => machine.console.once("end", resolve));
    expect(shown).toBe("on\non\n.");
  });

  test("ends at a reset by the guest if it is to", async () => {
    const machine = await startMachine({ ...small, kernel: program(reset), onReset: "end" });
    expect(await machine.exited).toEqual({ kind: "reset" });
  });

  test("runs beside others", async () => {
    const machines = await Promise.all(
      [1, 2, 3].map((value) => startMachine({ ...small, kernel: program(debugExit(value)) })),
    );
    const outcomes = await Promise.all(machines.map((machine) => machine.exited));
    expect(outcomes.map((outcome) => outcome.kind === "debug-exit" && outcome.status)).toEqual([3, 5, 7]);
  });

  test("is refused for what is no kernel with a UserError", async () => {
    const error = await startMachine({ ...small, kernel: Buffer.from("text") }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({
      message: expect.stringContaining("not a kernel"),
      remedy: expect.stringMatching(/./),
    });
  });
});
