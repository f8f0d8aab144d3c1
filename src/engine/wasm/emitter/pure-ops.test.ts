import { expect, test } from "vitest";
import type { Node, PureOp } from "../../../isa/ir/ops.ts";
import { PURE_SIGNATURES } from "../../../isa/ir/signatures.ts";
import { WASM_OPCODES } from "../../../spec/wasm.ts";
import { PURE_NAMES } from "./pure-ops.ts";

test("every pure operation has a WebAssembly instruction in every type that the verifier lets through", () => {
  for (const [op, { types, from }] of Object.entries(PURE_SIGNATURES)) {
    if (op === "const" || op === "select") continue;
    for (const type of types) {
      const nodes = (from ?? [undefined]).map((source): Node => ({ op: op as PureOp, type, args: [], ...(source && { from: source }) }));
      const names = nodes.map((node) => PURE_NAMES[op as Exclude<PureOp, "const" | "select">](node));
      const known = names.some((name) => name in WASM_OPCODES);
      expect(known, `${op} of ${type}: ${names.join(", ")}`).toBe(true);
    }
  }
});
