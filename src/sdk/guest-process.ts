import { Readable, Writable } from "node:stream";
import { CONSOLE_REQUEST, type HostConsole } from "../backend/console/console-link.ts";
import { deferred } from "./deferred.ts";

/** What a process of the guest's is made of. */
export interface ProcessParts {
  readonly console: HostConsole;
  /** Ports: of the terminal, or of input, output and errors. */
  readonly terminal: number | undefined;
  readonly pipes: readonly [input: number, output: number, errors: number] | undefined;
  /** Resolves when it can be sent input. */
  readonly inputReady: Promise<void>;
  /** Sends a signal to it. */
  readonly kill: (signal: string) => void;
}

const FRAME_BYTES = 32_768;

/** A command that runs in the guest. Streams that nobody reads make it wait. */
export class GuestProcess {
  /** What it reads; a command without input has none. */
  readonly stdin: Writable;
  /** Output; on a terminal errors too. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit status, 128 + n if signal n ended it; undefined if the machine ended before it did. */
  readonly status: Promise<number | undefined>;
  readonly #parts: ProcessParts;
  readonly #end = deferred<number | undefined>();
  #over = false;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    const { console, terminal, pipes } = parts;
    this.status = this.#end.promise;
    this.stdin = terminal === undefined ? this.#framedInput(pipes![0]) : this.#plainInput(terminal);
    this.stdout = this.#output(console, terminal ?? pipes![1]);
    this.stderr = pipes ? this.#output(console, pipes[2]) : Readable.from([]);
  }

  /** Sends a signal, for instance "TERM", to all processes of its session. */
  kill(signal = "TERM"): void {
    if (!this.#over) this.#parts.kill(signal);
  }

  /** Its terminal has another size now. */
  resize(rows: number, columns: number): void {
    const { console, terminal } = this.#parts;
    if (terminal !== undefined && !this.#over) console.request(CONSOLE_REQUEST.RESIZE, terminal, rows, columns);
  }

  /** It has ended: its streams end when what it has written has been read. */
  finish(status: number | undefined): void {
    this.#over = true;
    this.#end.resolve(status);
  }

  #framedInput(port: number): Writable {
    const send = (bytes: Uint8Array) => this.#send(port, bytes);
    const frame = async (chunk: Uint8Array) => {
      for (let at = 0; at < chunk.length; at += FRAME_BYTES) {
        const bytes = chunk.subarray(at, at + FRAME_BYTES);
        await send(Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes]));
      }
    };
    return new Writable({
      write: (chunk: Uint8Array, _encoding, done) => void frame(chunk).then(() => done(), done),
      final: (done) => void send(Buffer.from("0\n")).then(() => done(), done),
    });
  }

  #plainInput(port: number): Writable {
    return new Writable({
      write: (chunk: Uint8Array, _encoding, done) => void this.#send(port, chunk).then(() => done(), done),
    });
  }

  async #send(port: number, bytes: Uint8Array): Promise<void> {
    await Promise.race([this.#parts.inputReady, this.status]);
    return this.#parts.console.send(port, bytes, () => this.#over);
  }

  #output(console: HostConsole, port: number): Readable {
    let resume = () => {};
    const stream = new Readable({ read: () => resume() });
    const pass = async () => {
      for (;;) {
        await Promise.race([console.outputReady(port), this.status]);
        const bytes = console.takeOutput(port);
        if (bytes.length === 0 && (this.#over || console.closed)) break;
        if (bytes.length === 0 || stream.push(bytes)) continue;
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
      }
      stream.push(null);
    };
    void pass();
    return stream;
  }
}
