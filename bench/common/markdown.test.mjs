import { expect, test } from "vitest";
import { markdownTable } from "./markdown.mjs";

test("a table keeps its shape whatever is in its cells", () => {
  expect(markdownTable(["a", "b"], [["x|y", "two\n  lines"]])).toBe(
    "| a | b |\n| --- | --- |\n| x\\|y | two lines |\n",
  );
});
