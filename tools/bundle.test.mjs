import { expect, test } from "vitest";
import { constantsSource } from "./bundle.mjs";

test("a module of constants has the values it was made of", async () => {
  const values = {
    SMALL: Uint8Array.of(0, 1, 255),
    WIDE: Int32Array.of(-1, 0x7fff_ffff),
    PART: new Uint16Array(Uint16Array.of(1, 2, 0xffff).buffer, 2),
    NAMES: ["one", '"two"'],
  };
  const source = constantsSource(values);
  expect({ ...(await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`)) }).toEqual(
    values,
  );
});
