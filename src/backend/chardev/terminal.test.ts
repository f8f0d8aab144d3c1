import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Terminal, type TerminalOptions } from "./terminal.ts";

/** A terminal's input that remembers its modes. */
class FakeTty extends PassThrough {
  isTTY: boolean;
  readonly modes: boolean[] = [];

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  setRawMode(raw: boolean): this {
    this.modes.push(raw);
    return this;
  }
}

const open: Terminal[] = [];

function create(isTTY: boolean, more: Partial<TerminalOptions> = {}) {
  const input = new FakeTty(isTTY);
  const output = new PassThrough({ highWaterMark: 4 });
  const messages = new PassThrough();
  const received: number[] = [];
  const reasons: string[] = [];
  const terminal = new Terminal({
    input: input as unknown as NodeJS.ReadStream,
    output: output as unknown as NodeJS.WriteStream,
    messages: messages as unknown as NodeJS.WriteStream,
    onInput: (bytes) => void received.push(...bytes),
    onLeave: (reason) => reasons.push(reason),
    ...more,
  });
  open.push(terminal);
  return { input, output, messages, terminal, reasons, text: () => Buffer.from(received).toString("latin1") };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 2));

afterEach(() => {
  for (const terminal of open.splice(0)) terminal.close();
  vi.restoreAllMocks();
});

describe("a terminal", () => {
  test("is raw while it is open and restored once after", () => {
    const { input, terminal } = create(true);
    expect(input.modes).toEqual([true]);
    terminal.close();
    terminal.close();
    expect(input.modes).toEqual([true, false]);
  });

  test("gives keys to the guest, Ctrl-C too, and keeps its escapes", async () => {
    const { input, messages, reasons, text } = create(true);
    input.write("a\x03\x01\x01\x01h\x01x");
    await settle();
    expect([text(), reasons]).toEqual(["a\x03\x01", ["escape"]]);
    expect(String(messages.read())).toContain("Ctrl-A x");
  });

  test("is restored on exit and when a signal kills", () => {
    const kill = vi.spyOn(process, "kill").mockReturnValue(true);
    const { input } = create(true);
    process.emit("SIGTERM", "SIGTERM");
    expect(input.modes).toEqual([true, false]);
    expect(kill).toHaveBeenCalledWith(process.pid, "SIGTERM");
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });

  test("is restored while stopped and raw again afterwards", () => {
    const kill = vi.spyOn(process, "kill").mockReturnValue(true);
    const { input } = create(true);
    process.emit("SIGTSTP", "SIGTSTP");
    expect(input.modes).toEqual([true, false]);
    expect(kill).toHaveBeenCalledWith(process.pid, "SIGSTOP");
    process.emit("SIGCONT", "SIGCONT");
    expect(input.modes).toEqual([true, false, true]);
  });
});

describe("a pipe", () => {
  test("is not made raw, its bytes arrive untouched, and its end is no reason to leave", async () => {
    const { input, reasons, text } = create(false);
    input.end("\x01x\x00\xff", "latin1");
    await settle();
    expect([input.modes, text(), reasons]).toEqual([[], "\x01x\x00\xff", []]);
  });

  test("has escapes if they are asked for", async () => {
    const { input, reasons } = create(false, { escapes: true });
    input.write("\x01x");
    await settle();
    expect(reasons).toEqual(["escape"]);
  });
});

test("input waits while the guest does not take it", async () => {
  let release: () => void = () => {};
  const seen: string[] = [];
  const { input } = create(false, {
    onInput: (bytes) => {
      seen.push(Buffer.from(bytes).toString());
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  });
  input.write("one");
  await settle();
  input.write("two");
  await settle();
  expect(seen).toEqual(["one"]);
  release();
  await settle();
  expect(seen).toEqual(["one", "two"]);
});

test("write waits for a slow output and goes on untouched", async () => {
  const { output, terminal } = create(false);
  let written = false;
  const bytes = Uint8Array.of(0, 1, 0x0a, 0x0d, 0x80, 0xff);
  const writing = terminal.write(bytes).then(() => {
    written = true;
  });
  await settle();
  expect(written).toBe(false);
  expect([...(output.read() as Buffer)]).toEqual([...bytes]);
  await writing;
});

test("an output that nobody reads any more is a reason to leave, once, and blocks nobody", async () => {
  const { output, terminal, reasons } = create(false);
  const writing = terminal.write(new Uint8Array(100));
  output.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  await writing;
  output.emit("error", new Error("again"));
  await terminal.write(new Uint8Array(100));
  expect(reasons).toEqual(["output-closed"]);
});
