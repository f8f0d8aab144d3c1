import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, readCpio } from "./cpio.ts";
import { type ExecChannel, ExecInput, prepareExec } from "./exec-channel.ts";

const text = (value: string) => new TextEncoder().encode(value);
const COMMAND = "printf 'it'\\''s' \"$HOME\" ü; exit 3";

function tokenOf(command: string): string {
  const entry = readCpio(prepareExec(command).initrd).find(({ path }) => path === "run/tskvm/token");
  return new TextDecoder().decode(entry?.data as Uint8Array).trim();
}

/** What the guest sends for an output and a status. */
function sent(command: string, output: Uint8Array, status: number): Uint8Array {
  const token = tokenOf(command);
  return concat([text(`\x1etskvm-start ${token}\n`), output, text(`\x1etskvm-exit ${token} ${status}\n`)]);
}

function feedInPieces(channel: ExecChannel, bytes: Uint8Array, sizes: readonly number[]): Uint8Array {
  const output: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    output.push(channel.feed(bytes.subarray(at, at + size)));
    at += size;
  }
  return concat(output);
}

describe("the exec initrd", () => {
  test("carries the command as it is", () => {
    const command = readCpio(prepareExec(COMMAND).initrd).find(({ path }) => path === "run/tskvm/command");
    expect(command?.data).toEqual(text(`${COMMAND}\n`));
  });

  test("offers input only when asked", () => {
    const paths = (stdin: boolean) => readCpio(prepareExec("true", { stdin }).initrd).map(({ path }) => path);
    expect(paths(true)).toContain("run/tskvm/stdin");
    expect(paths(false)).not.toContain("run/tskvm/stdin");
  });
});

describe("ExecChannel", () => {
  test("gives any output back exactly, however it is cut", () => {
    const piece = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(text("\x1e"), text("\x1etskvm-exit ")));
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }).map(concat),
        fc.integer({ min: 0, max: 255 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (output, status, sizes) => {
          const { channel } = prepareExec(COMMAND);
          expect(feedInPieces(channel, sent(COMMAND, output, status), sizes)).toEqual(output);
          expect(channel.status).toBe(status);
        },
      ),
      { seed: 20, numRuns: 300 },
    );
  });

  test("streams: plain output is not held back", () => {
    const { channel } = prepareExec("x");
    channel.feed(sent("x", new Uint8Array(0), 0).subarray(0, 30));
    expect(channel.started).toBe(true);
    expect(channel.feed(text("a line\nand more"))).toEqual(text("a line\nand more"));
    expect(channel.status).toBeUndefined();
  });

  test("drops what precedes the start and follows the exit", () => {
    const { channel } = prepareExec("x");
    expect(channel.feed(text("noise\x1etskvm"))).toHaveLength(0);
    expect(channel.started).toBe(false);
    expect(channel.feed(concat([sent("x", text("out"), 7), text("late")]))).toEqual(text("out"));
    expect(channel.feed(text("later"))).toHaveLength(0);
    expect(channel.status).toBe(7);
  });

  test("another command's markers are output", () => {
    const { channel } = prepareExec("x");
    const inner = sent("y", text("inner"), 1);
    expect(channel.feed(sent("x", inner, 2))).toEqual(inner);
    expect(channel.status).toBe(2);
  });
});

/** What a program reads from a terminal in canonical mode: newline ends a read, ^D too but is not kept, ^V quotes. */
function canonicalReads(bytes: Uint8Array): { data: Uint8Array; ended: boolean; longest: number } {
  const data: number[] = [];
  let line = 0;
  let longest = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 4) {
      if (line === 0) return { data: Uint8Array.from(data), ended: true, longest };
      line = 0;
      continue;
    }
    if (bytes[i] === 22) i++;
    data.push(bytes[i]!);
    line++;
    longest = Math.max(longest, line);
    if (bytes[i] === 10) line = 0;
  }
  return { data: Uint8Array.from(data), ended: false, longest };
}

describe("ExecInput", () => {
  test("arrives whole through a canonical terminal, and ends only at the end", () => {
    const byte = fc.oneof(fc.constantFrom(4, 10, 22, 0), fc.integer({ min: 0, max: 255 }));
    const chunk = fc.array(byte, { maxLength: 1500, size: "max" }).map((bytes) => Uint8Array.from(bytes));
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 4 }), (chunks) => {
        const encoded = concat(chunks.map((item) => ExecInput.encode(item)));
        const whole = concat(chunks);
        expect(canonicalReads(encoded)).toMatchObject({ data: whole, ended: false });
        expect(canonicalReads(concat([encoded, ExecInput.end()]))).toMatchObject({ data: whole, ended: true });
        expect(canonicalReads(encoded).longest).toBeLessThan(2048);
      }),
      { seed: 21, numRuns: 60 },
    );
  });
});
