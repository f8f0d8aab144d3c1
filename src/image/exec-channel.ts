/**
 * Running one command in a guest that boots our root, with its output and exit status.
 *
 * The command travels as a file in a small initramfs of its own that is put after the root image (the kernel unpacks
 * both), so nothing needs quoting. In the guest /init runs it with `sh`; output and errors go through a pipe, so the
 * command sees no terminal, to the second serial port (I/O port 0x2f8, IRQ 3, ttyS1), which carries nothing else and
 * does not touch the bytes:
 *
 *     0x1e "tskvm-start TOKEN\n"  output...  0x1e "tskvm-exit TOKEN STATUS\n"
 *
 * TOKEN is made from the command, so output does not end the channel by chance. Whatever precedes the start is
 * dropped. When the exit marker has come the machine may be stopped at once; left alone it powers itself off.
 *
 * Input, if offered, goes the other way on the same port after the start marker, to a terminal in canonical mode in
 * which only three characters mean anything: newline ends a line, ^D hands over what has come so far (nothing: end of
 * file), ^V quotes the next character. The guest drops RTS while it cannot take more.
 */

import { createHash } from "node:crypto";
import { concat, directory, file, writeCpio } from "./cpio.ts";
import { EXEC_DIRECTORY, EXIT_WORD, MARK, START_WORD } from "./exec-protocol.ts";

export interface ExecRequest {
  /** To be put right after the root image. */
  initrd: Uint8Array;
  /** For the bytes of the second serial port. */
  channel: ExecChannel;
}

/** Prepares the running of a shell command; with `stdin` the command reads what ExecInput encodes, else nothing. */
export function prepareExec(command: string, options: { stdin?: boolean } = {}): ExecRequest {
  const token = createHash("sha256").update(command).digest("hex").slice(0, 16);
  const entries = [
    directory("run"),
    directory(EXEC_DIRECTORY),
    file(`${EXEC_DIRECTORY}/command`, `${command}\n`),
    file(`${EXEC_DIRECTORY}/token`, `${token}\n`),
    ...(options.stdin ? [file(`${EXEC_DIRECTORY}/stdin`, "")] : []),
  ];
  return { initrd: writeCpio(entries), channel: new ExecChannel(token) };
}

/** Three digits and a newline. */
const LONGEST_STATUS = 4;
const MALFORMED_STATUS = 255;
const NEWLINE = 10;

/** Takes the command's output and exit status out of what the second serial port sends. */
export class ExecChannel {
  readonly #startMark: Uint8Array;
  readonly #exitMark: Uint8Array;
  #held: Uint8Array = new Uint8Array(0);
  #started = false;
  #status: number | undefined;

  constructor(token: string) {
    this.#startMark = marker(`${START_WORD} ${token}\n`);
    this.#exitMark = marker(`${EXIT_WORD} ${token} `);
  }

  /** Whether the command is running or has run: input may be sent now. */
  get started(): boolean {
    return this.#started;
  }

  /** The exit status, once it is known (128 + n if signal n ended the command). */
  get status(): number | undefined {
    return this.#status;
  }

  /** Takes bytes as they come; returns those that are the command's output. At most one marker's length is held back. */
  feed(bytes: Uint8Array): Uint8Array {
    if (this.#status !== undefined) return new Uint8Array(0);
    let data = concat([this.#held, bytes]);
    if (!this.#started) {
      const start = find(data, this.#startMark);
      if (start.complete) this.#started = true;
      else return this.#hold(data.subarray(start.at), new Uint8Array(0));
      data = data.subarray(start.at + this.#startMark.length);
    }
    const exit = find(data, this.#exitMark);
    if (exit.complete) this.#readStatus(data.subarray(exit.at + this.#exitMark.length));
    return this.#hold(data.subarray(exit.at), data.subarray(0, exit.at));
  }

  #hold(held: Uint8Array, output: Uint8Array): Uint8Array {
    this.#held = held.slice();
    return output;
  }

  /** Sets the status when all its digits have come; what is no status counts as failure, so nothing is held for ever. */
  #readStatus(tail: Uint8Array): void {
    const digits = /^(\d{1,3})\n/.exec(new TextDecoder().decode(tail.subarray(0, LONGEST_STATUS)));
    if (digits) this.#status = Number(digits[1]);
    else if (tail.length >= LONGEST_STATUS) this.#status = MALFORMED_STATUS;
  }
}

function marker(text: string): Uint8Array {
  return concat([Uint8Array.of(MARK), new TextEncoder().encode(text)]);
}

/** Where the mark stands, wholly or cut off by the end of the data; the data's end if it does not. */
function find(data: Uint8Array, mark: Uint8Array): { at: number; complete: boolean } {
  for (let at = data.indexOf(mark[0]!); at >= 0; at = data.indexOf(mark[0]!, at + 1)) {
    const candidate = data.subarray(at, at + mark.length);
    if (candidate.every((byte, i) => byte === mark[i])) return { at, complete: candidate.length === mark.length };
  }
  return { at: data.length, complete: false };
}

const CTRL_D = 4;
const CTRL_V = 22;
/** The guest's line buffer holds 4096 bytes; a segment is far shorter even if all of it is quoted. */
const SEGMENT_BYTES = 512;

/** Encodes input for the command as bytes for the second serial port. */
export const ExecInput = {
  /** Any bytes, as they come. */
  encode(bytes: Uint8Array): Uint8Array {
    const encoded: number[] = [];
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte === CTRL_D || byte === CTRL_V) encoded.push(CTRL_V);
      encoded.push(byte);
      const segmentEnds = (i + 1) % SEGMENT_BYTES === 0 || i === bytes.length - 1;
      if (segmentEnds && byte !== NEWLINE) encoded.push(CTRL_D);
    }
    return Uint8Array.from(encoded);
  },

  /** End of file. */
  end(): Uint8Array {
    return Uint8Array.of(CTRL_D);
  },
};
