import { describe, expect, test } from "vitest";
import { CPU, VECTOR } from "../state.ts";
import { FORMS, programOf } from "../table/forms.ts";
import type { Form } from "../table/row.ts";
import { Builder } from "./builder.ts";
import { lowerFlags } from "./lower.ts";
import type { Node } from "./ops.ts";
import { printProgram } from "./print.ts";
import { verify } from "./verify.ts";

function formName(form: Form): string {
  const shape = `${form.memory ? " memory" : ""}${form.lock ? " lock" : ""}${form.rep === "none" ? "" : ` ${form.rep}`}`;
  return `${form.row.opcode} ${form.row.mnemonic} ${form.row.operands.join(",")} (${form.bits} bits, ${form.mode}${shape})`;
}

/** The complaints about a program that a test writes. */
function complaints(write: (b: Builder) => void): string[] {
  const b = new Builder();
  write(b);
  return verify(b.program());
}

/** The complaints about nodes that the builder would not make. */
function complaintsOf(...nodes: Node[]): string[] {
  return verify({ nodes });
}

const i32: Node = { op: "const", type: "i32", args: [], words: [1] };
const i64: Node = { op: "const", type: "i64", args: [], words: [1, 0] };

describe("every form of the table", () => {
  test("is a good program, before and after lowering", () => {
    const bad = FORMS.flatMap((form) => {
      const program = programOf(form);
      const wrong = [...verify(program), ...verify(lowerFlags(program)).map((line) => `lowered: ${line}`)];
      return wrong.length ? [`${formName(form)}\n  ${wrong.join("\n  ")}\n${printProgram(program)}`] : [];
    });
    expect(bad.length, `${bad.length} of ${FORMS.length} forms:\n${bad.slice(0, 10).join("\n")}`).toBe(0);
  });
});

describe("the order of faults and writes", () => {
  const linear = (b: Builder, intent: "read" | "write" = "write") => b.linear(b.ea(), 4, intent);

  test("a load, linear, trap_if, store or faulting call after a write is refused", () => {
    const afterWrite = (fault: (b: Builder) => void): string[] =>
      complaints((b) => {
        b.setReg("reg", b.i32(1), 4);
        fault(b);
      });
    expect(afterWrite((b) => b.load(b.i64(0), 4))).toEqual(["%3 load can fault after a write of state"]);
    expect(afterWrite((b) => b.linear(b.ea(), 4, "read"))).toEqual(["%3 linear can fault after a write of state"]);
    expect(afterWrite((b) => b.trapIf(b.i32(1), VECTOR.GP))).toEqual(["%3 trap_if can fault after a write of state"]);
    expect(afterWrite((b) => b.store(b.i64(0), b.i32(0), 4))).toEqual(["%4 store can fault after a write of state"]);
    expect(afterWrite((b) => b.call("enter", b.i32(0), b.i32(8)))).toEqual([
      "%4 call can fault after a write of state",
    ]);
  });

  test("every kind of write counts: state, flags, a helper's, memory", () => {
    const beforeFault = (write: (b: Builder) => void): string[] =>
      complaints((b) => {
        write(b);
        b.trapIf(b.i32(1), VECTOR.GP);
      });
    expect(beforeFault((b) => b.set(CPU.rip, b.i64(0)))[0]).toMatch(/after a write of state/);
    expect(beforeFault((b) => b.flags("cf", 32, [b.i32(1)]))[0]).toMatch(/after a write of state/);
    expect(beforeFault((b) => b.call("pop_flags", b.i32(0), b.i32(32)))[0]).toMatch(/after a write of state/);
    expect(beforeFault((b) => b.store(linear(b), b.i32(0), 4))[0]).toMatch(/after a write of memory/);
    expect(beforeFault((b) => b.call("udiv64", b.i64(0), b.i64(1)))).toEqual([]);
  });

  test("a second store is refused unless a load probed it", () => {
    const two = (probe: boolean): string[] =>
      complaints((b) => {
        const [x, y] = [linear(b), linear(b)];
        if (probe) for (const place of [x, y]) b.load(place, 4, "write");
        for (const place of [x, y]) {
          if (probe) b.storeProbed(place, b.i32(0), 4);
          else b.store(place, b.i32(0), 4);
        }
      });
    expect(two(false)).toEqual(["%7 store can fault after a write of memory"]);
    expect(two(true)).toEqual([]);
  });

  test("a probed store may leave for a device, so no register is written before it", () => {
    const wrong = complaints((b) => {
      const at = linear(b);
      b.load(at, 4, "write");
      b.setReg("reg", b.i32(0), 4);
      b.storeProbed(at, b.i32(0), 4);
    });
    expect(wrong).toEqual(["%6 store_probed may leave for a device after a write of state"]);
  });

  test("what makes a store safe is a load of the same address, to be written, as wide", () => {
    const stored = (intent: "read" | "write", width: number, locked = false): string[] =>
      complaints((b) => {
        const at = linear(b);
        const old = b.load(at, width, intent);
        if (locked) b.storeLocked(at, b.i32(0), old, 4);
        else b.storeProbed(at, b.i32(0), 4);
      });
    expect(stored("write", 4)).toEqual([]);
    expect(stored("read", 4)).toEqual(["%4 store_probed no load made this store safe"]);
    expect(stored("write", 2)).toEqual(["%4 store_probed no load made this store safe"]);
    expect(stored("write", 4, true)).toEqual([]);
    expect(stored("read", 4, true)).toEqual(["%4 store stores locked what was not loaded to be written"]);
  });

  test("an access is not wider or stronger than its address was checked for", () => {
    expect(complaints((b) => b.load(b.linear(b.ea(), 2, "read"), 4))).toEqual([
      "%2 load accesses 4 bytes where 2 were checked",
    ]);
    expect(complaints((b) => b.store(linear(b, "read"), b.i32(0), 4))).toEqual([
      "%3 store writes where only a read was checked",
    ]);
  });
});

describe("vectors of 32 bytes", () => {
  const stored = (write: (b: Builder, at: ReturnType<Builder["linear"]>) => void, width = 32): string[] =>
    complaints((b) => write(b, b.linear(b.ea(), width, "write")));

  test("are stored by one node of two v128, checked for their whole width", () => {
    expect(stored((b, at) => b.storeWide(at, b.getReg("reg", 16), b.getReg("reg", 16, "v128", 16)))).toEqual([]);
    expect(stored((b, at) => b.storeWide(at, b.getReg("reg", 16), b.i32(0)))).toEqual([
      "%4 store takes (i64, v128, v128), not (i64, v128, i32)",
    ]);
    expect(stored((b, at) => b.storeWide(at, b.getReg("reg", 16), b.getReg("reg", 16)), 16)).toEqual([
      "%4 store accesses 32 bytes where 16 were checked",
    ]);
  });

  test("are the widest registers", () => {
    expect(complaints((b) => b.setReg("reg", b.getReg("rm", 16, "v128", 16), 16, 24))).toEqual([
      "%1 set_reg reaches beyond 32 bytes",
    ]);
  });
});

describe("the shape of a program", () => {
  test("values come before their uses and exist", () => {
    expect(complaintsOf(i32, { op: "add", type: "i32", args: [0, 2] })).toEqual([
      "%1 add uses %2, which is not there yet",
    ]);
    const set: Node = { op: "set", type: "i32", args: [0], at: CPU.trap, width: 4 };
    expect(complaintsOf(i32, set, { op: "eqz", type: "i32", args: [1] })).toEqual([
      "%2 eqz uses %1, which has no value",
    ]);
  });

  test("nothing follows jump or end, and end follows a helper that wrote rip", () => {
    const jump: Node = { op: "jump", type: "none", args: [0] };
    expect(complaintsOf(i64, jump, i32)).toEqual(["%1 jump is not the last operation"]);
    expect(complaintsOf({ op: "end", type: "none", args: [] })).toEqual(["%0 end nothing wrote rip"]);
  });

  test("argument types, counts and operand types", () => {
    expect(complaintsOf(i32, i64, { op: "add", type: "i32", args: [0, 1] })).toEqual([
      "%2 add takes (i32, i32), not (i32, i64)",
    ]);
    expect(complaintsOf(i32, { op: "add", type: "i32", args: [0] })).toEqual(["%1 add takes (i32, i32), not (i32)"]);
    expect(complaintsOf(i32, { op: "clz", type: "f32", args: [0] })[0]).toMatch(/is not of type f32/);
    expect(complaintsOf(i64, { op: "to_bits", type: "i32", args: [0], from: "i64" })[0]).toMatch(
      /does not convert from i64/,
    );
    expect(complaintsOf({ op: "const", type: "i64", args: [], words: [1] })[0]).toMatch(/needs 2 words/);
  });

  test("lanes of vectors", () => {
    const v128: Node = { op: "const", type: "v128", args: [], words: [0, 0, 0, 0] };
    expect(complaintsOf(v128, { op: "extract_u", type: "i32x4", args: [0], words: [4] })[0]).toMatch(
      /needs 1 lanes below 4/,
    );
    expect(complaintsOf(v128, { op: "shuffle", type: "i8x16", args: [0, 0], words: [0] })[0]).toMatch(
      /needs 16 lanes below 32/,
    );
    expect(complaintsOf(v128, { op: "mul", type: "i8x16", args: [0, 0] })[0]).toMatch(/is not of type i8x16/);
    expect(complaintsOf(v128, i64, { op: "shl", type: "i64x2", args: [0, 1] })[0]).toMatch(/takes \(v128, i32\)/);
  });

  test("widths and places of the state", () => {
    expect(complaints((b) => b.get(CPU.end, "i32"))[0]).toMatch(/is not in the state/);
    expect(complaints((b) => b.get(CPU.rip, "i32", 8))[0]).toMatch(/has no access of 8 bytes as i32/);
    expect(complaints((b) => b.set(CPU.xmm, b.v128(0, 0, 0, 0), 8))[0]).toMatch(/has no access of 8 bytes as v128/);
  });

  test("flags, conditions and vectors", () => {
    expect(complaints((b) => b.flags("add", 32, [b.i32(1)]))[0]).toMatch(/flags of add take 3 arguments, not 1/);
    expect(complaints((b) => b.flags("logic", 64, [b.i32(1)]))[0]).toMatch(/flags of logic from \(i32\)/);
    expect(complaints((b) => b.cond(16))[0]).toMatch(/no condition 16/);
    expect(complaints((b) => b.trapIf(b.i32(0), 32))[0]).toMatch(/raises vector 32/);
  });

  test("calls as they are declared", () => {
    const call = (helper: string, type: "i64" | "none", ...args: number[]): Node => ({
      op: "call",
      type,
      args,
      helper,
    });
    expect(complaintsOf(i64, call("udiv64", "i64", 0))[0]).toMatch(/takes \(i64, i64\), not \(i64\)/);
    expect(complaintsOf(i64, call("udiv64", "none", 0, 0))[0]).toMatch(/gives i64, not none/);
    expect(complaintsOf(call("nowhere", "none"))[0]).toMatch(/is no helper/);
  });
});
