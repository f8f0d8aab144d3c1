import { type CharBackend, NO_INPUT } from "./chardev.ts";

/** A backend that keeps the output and takes its input from a program: for tests and scripted guests. */
export class MemoryBackend implements CharBackend {
  readonly output: number[] = [];
  private readonly input: number[] = [];

  write(byte: number): void {
    this.output.push(byte);
  }

  read(): number {
    return this.input.shift() ?? NO_INPUT;
  }

  /** Queues input: bytes, or text as UTF-8. The device sees it when it next looks. */
  feed(input: string | Iterable<number>): void {
    this.input.push(...(typeof input === "string" ? new TextEncoder().encode(input) : input));
  }

  /** Bytes of input not taken yet. */
  get waiting(): number {
    return this.input.length;
  }

  /** The output so far as UTF-8. */
  text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.output));
  }
}
