import { expect, test } from "vitest";
import { Random } from "../../../test/isa/random.ts";
import { FrameRing } from "./frame-ring.ts";

const SEED = Number(process.env.SEED ?? 20261124);

test(`frames arrive whole and in order however full the ring is, seed ${SEED}`, () => {
  console.log(`seed ${SEED} (SEED=n takes another)`);
  const random = new Random(SEED);
  const next = (below: number) => random.below(below);
  for (const capacity of [64, 100, 4096]) {
    const writer = new FrameRing(capacity);
    const reader = new FrameRing(writer.memory);
    const waiting: number[][] = [];
    let sent = 0;
    for (let step = 0; step < 20_000; step++) {
      const asked = next(Math.floor(capacity / 2));
      const place = next(2) ? writer.reserve(asked) : undefined;
      if (place) {
        const length = next(asked + 1);
        for (let at = 0; at < length; at++) place[at] = sent + at;
        writer.commit(length);
        waiting.push(Array.from(place.subarray(0, length)));
        sent++;
      }
      if (next(2)) {
        const frame = reader.peek();
        expect(frame && Array.from(frame), `capacity ${capacity} step ${step}`).toEqual(waiting.shift());
        reader.drop();
      }
    }
    expect(sent).toBeGreaterThan(5000);
    expect(reader.peek() === undefined).toBe(waiting.length === 0);
  }
});

test("a frame that does not fit waits until the reader has taken some", () => {
  const ring = new FrameRing(64);
  for (let n = 0; n < 2; n++) {
    expect(ring.reserve(24)?.length).toBe(24);
    ring.commit(24);
  }
  expect(ring.reserve(24)).toBeUndefined();
  ring.drop();
  expect(ring.reserve(20)?.length).toBe(20);
});
