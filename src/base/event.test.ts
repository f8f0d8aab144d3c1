import { expect, test } from "vitest";
import { EventSource } from "./event.ts";

test("listeners are called in order until they leave", () => {
  const source = new EventSource<number>();
  const heard: string[] = [];
  const leave = source.listen((value) => heard.push(`a${value}`));
  source.listen((value) => heard.push(`b${value}`));
  source.emit(1);
  leave();
  leave();
  source.emit(2);
  expect(heard).toEqual(["a1", "b1", "b2"]);
});
