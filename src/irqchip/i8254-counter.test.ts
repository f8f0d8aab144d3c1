import { expect, test } from "vitest";
import { I8254Counter } from "./i8254-counter.ts";

/** The counter as the data sheet tells it, pulse by pulse. */
class ClockedCounter {
  readonly mode: number;
  gate: boolean;
  reload = 0;
  /** The count that the counting element started from, and what it holds. */
  count = 0;
  element = 0;
  out: boolean;
  loaded = false;
  written = false;
  triggered = false;
  strobe = false;

  constructor(mode: number, gate: boolean) {
    this.mode = mode;
    this.gate = gate;
    this.out = mode !== 0;
  }

  write(count: number): void {
    this.reload = count;
    this.written = true;
    if (this.mode === 0) this.out = false;
  }

  setGate(gate: boolean): void {
    if (gate && !this.gate) this.triggered = true;
    this.gate = gate;
    if (!gate && (this.mode === 2 || this.mode === 3)) this.out = true;
  }

  clock(): void {
    if (this.#loads()) this.#load();
    else if (this.loaded && (this.gate || this.mode === 1 || this.mode === 5)) this.#count();
    this.triggered = false;
  }

  #loads(): boolean {
    if (this.mode === 0 || this.mode === 4) return this.written;
    if (this.mode === 1 || this.mode === 5) return this.triggered && this.reload !== 0;
    return (this.written && !this.loaded) || (this.triggered && this.loaded);
  }

  #load(): void {
    this.count = this.reload;
    this.element = this.mode === 3 ? this.count & ~1 : this.count;
    this.written = false;
    this.loaded = true;
    this.strobe = true;
    if (this.mode !== 0) this.out = this.mode !== 1;
  }

  #count(): void {
    if (this.mode === 3) return this.#countSquare();
    this.element = (this.element - 1) & 0xffff;
    if (this.mode === 2) this.#countRate();
    else if (this.mode < 2) this.out ||= this.element === 0;
    else this.#countStrobe();
  }

  #countRate(): void {
    this.out = this.element !== 1;
    if (this.element === 0) this.#load();
  }

  #countStrobe(): void {
    this.out = !(this.strobe && this.element === 0);
    if (!this.out) this.strobe = false;
  }

  #countSquare(): void {
    const wait = this.out && this.count % 2 === 1;
    const ends = wait ? this.element === 0 : this.element === 2;
    this.element -= 2;
    if (!ends) return;
    const out = !this.out;
    this.#load();
    this.out = out;
  }
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test.each([0, 1, 2, 3, 4, 5])("mode %d agrees with the clocked counter", (mode) => {
  for (let seed = 1; seed <= 40; seed++) {
    const pick = random(seed * 8 + mode);
    const gate = pick(2) === 1;
    const clocked = new ClockedCounter(mode, gate);
    const counter = new I8254Counter(gate);
    counter.program(0, 3, mode, false);
    for (let tick = 0; tick < 400; tick++) {
      const strobing = mode >= 4 && !clocked.out;
      if (pick(25) === 0 && !strobing) {
        const count = 2 + pick(30);
        clocked.write(count);
        counter.write(tick, count);
        counter.write(tick, 0);
      }
      if (pick(30) === 0 && !strobing) {
        const level = !clocked.gate;
        clocked.setGate(level);
        counter.setGate(tick, level);
      }
      const before = clocked.out;
      const rises = counter.nextRise(tick) === tick + 1;
      clocked.clock();
      const actual = [counter.output(tick + 1), rises, clocked.loaded ? counter.digits(tick + 1) : -1];
      const wanted = [clocked.out, clocked.out && !before, clocked.loaded ? clocked.element : -1];
      if (String(actual) !== String(wanted))
        expect(actual, `OUT, rise, count; seed ${seed}, tick ${tick + 1}`).toEqual(wanted);
    }
  }
});
