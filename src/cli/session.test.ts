import { Duplex, PassThrough } from "node:stream";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Machine, Outcome } from "../sdk/index.ts";
import { followMachine } from "./session.ts";

type Session = Parameters<typeof followMachine>[0];

/** A machine that prints, ends as told, and notes what it was sent. */
class FakeMachine implements Session {
  readonly console = new PassThrough();
  readonly exited: Promise<Outcome>;
  readonly command: Machine["command"];
  readonly received: string[] = [];
  end: (outcome: Outcome) => void = () => {};

  constructor(command?: { output: string; status: number | undefined }) {
    this.exited = new Promise((resolve) => {
      this.end = resolve;
    });
    this.command = command && { stdio: this.#stdio(command.output), status: Promise.resolve(command.status) };
  }

  stop(): Promise<Outcome> {
    this.command?.stdio.push(null);
    this.end({ kind: "stopped" });
    return this.exited;
  }

  #stdio(output: string): Duplex {
    const { received } = this;
    const stdio = new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        received.push(String(chunk));
        done();
      },
      final(done) {
        received.push("EOF");
        done();
        stdio.push(output);
        stdio.push(null);
      },
    });
    return stdio;
  }
}

function streams(input: string, isTTY = false) {
  const stdin = Object.assign(new PassThrough(), { isTTY });
  stdin.end(input);
  const output = new PassThrough();
  return { input: stdin as unknown as NodeJS.ReadStream, output: output as unknown as NodeJS.WriteStream };
}

function silenceErrors() {
  const written: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  return written;
}

afterEach(() => void vi.restoreAllMocks());

describe("a command", () => {
  test("gets the input, its output goes out, its status is ours", async () => {
    const machine = new FakeMachine({ output: "out", status: 7 });
    const io = streams("in");
    machine.end({ kind: "stopped" });
    expect(await followMachine(machine, { ...io, timeoutSeconds: undefined })).toEqual({ status: 7 });
    expect(machine.received).toEqual(["in", "EOF"]);
    expect(String((io.output as unknown as PassThrough).read())).toBe("out");
  });

  test("does not read a terminal", async () => {
    const machine = new FakeMachine({ output: "", status: 0 });
    machine.end({ kind: "stopped" });
    await followMachine(machine, { ...streams("typed", true), timeoutSeconds: undefined });
    expect(machine.received).toEqual(["EOF"]);
  });

  test("that was lost is an error with the guest's last words", async () => {
    const machine = new FakeMachine({ output: "", status: undefined });
    machine.console.write("Kernel panic\r\n");
    machine.end({ kind: "reset" });
    await expect(followMachine(machine, { ...streams(""), timeoutSeconds: 60 })).rejects.toMatchObject({
      message: expect.stringContaining("reset the machine"),
      remedy: expect.stringContaining("Kernel panic"),
    });
  });

  test("whose reader has gone ends as SIGPIPE ends others", async () => {
    const machine = new FakeMachine({ output: "much", status: 0 });
    const io = streams("");
    Object.assign(io.output, {
      _write: (_chunk: unknown, _encoding: string, done: (error: Error) => void) =>
        done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
    });
    const ending = await followMachine(machine, { ...io, timeoutSeconds: undefined });
    expect(ending).toEqual({ status: 141, abandoned: true });
  });

  test("that takes too long is stopped", async () => {
    const written = silenceErrors();
    const machine = new FakeMachine({ output: "", status: undefined });
    const io = streams("");
    (io.input as unknown as PassThrough).unpipe();
    vi.spyOn(machine.command!.stdio, "_final").mockImplementation((done) => done());
    expect(await followMachine(machine, { ...io, timeoutSeconds: 0.02 })).toEqual({ status: 124 });
    expect(written.join("")).toMatch(/0.02 seconds are over/);
  });
});
