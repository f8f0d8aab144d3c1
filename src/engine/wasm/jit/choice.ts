import type { FunctionWriter, Local } from "../asm/function-writer.ts";

/** Finds the place that a value is among some, by halves: `go` emits what is done there and does not come back. */
export function emitChoice(
  f: FunctionWriter,
  value: Local,
  places: readonly number[],
  go: (place: number) => void,
): void {
  const middle = places.length >> 1;
  const place = places[middle]!;
  f.get(value);
  f.i64(place, place < 0 ? -1 : 0);
  f.op(places.length === 1 ? "i64.eq" : "i64.lt_s");
  f.open("if");
  if (places.length === 1) go(place);
  else {
    emitChoice(f, value, places.slice(0, middle), go);
    f.else();
    emitChoice(f, value, places.slice(middle), go);
  }
  f.close();
}
