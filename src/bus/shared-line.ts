import type { InterruptLine } from "./interrupt-line.ts";

/** A wire that several chips pull: it is asserted while one of them asserts it. */
export class SharedLine {
  readonly #line: InterruptLine;
  #asserted = 0;

  constructor(line: InterruptLine) {
    this.#line = line;
  }

  /** The pin of one chip. */
  connect(): InterruptLine {
    let level = false;
    return {
      set: (value) => {
        if (value === level) return;
        level = value;
        this.#asserted += value ? 1 : -1;
        this.#line.set(this.#asserted > 0);
      },
    };
  }
}
