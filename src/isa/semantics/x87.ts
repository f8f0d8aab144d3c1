import { CR0 } from "../../spec/x86/control-register.ts";
import { FSW } from "../../spec/x86/x87.ts";
import type { Value } from "../ir/builder.ts";
import { CPU, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

// FOP is kept of instructions with an unmasked exception only [SDM 1 8.1.9.1]. FCS and FDS are stored as 0, as processors do that deprecate
// them (CPUID.07H:EBX[13]); FIP and FDP are the offsets of the last instruction that is not a control instruction,
// FDP only of those with a memory operand. [SDM 1 8.1.8]

/** #NM by CR0.EM and CR0.TS. */
function checkAvailable(b: InstructionBuilder): void {
  b.trapIf(b.get(CPU.x87Trap, "i32"), VECTOR.NM);
}

/** #MF for an unmasked exception of an earlier instruction, if CR0.NE has it reported so. [SDM 1 8.7] */
function checkPending(b: InstructionBuilder): void {
  const summary = b.and(b.get(CPU.fsw, "i32"), b.i32(FSW.ES));
  const native = b.and(b.get(CPU.cr0, "i32"), b.i32(CR0.NE));
  b.trapIf(b.and(b.isZero(b.isZero(summary)), b.isZero(b.isZero(native))), VECTOR.MF);
}

/** A control instruction; without waiting it does not look at pending exceptions. */
const control =
  (semantics: Semantics, waits = true): Semantics =>
  (b) => {
    checkAvailable(b);
    if (waits) checkPending(b);
    semantics(b);
  };

/** An instruction whose address, and whose operand's, are kept. */
const computation =
  (semantics: Semantics): Semantics =>
  (b) => {
    checkAvailable(b);
    checkPending(b);
    semantics(b);
    b.set(CPU.fip, b.ripThis());
    const unmasked = b.and(b.get(CPU.fsw, "i32"), b.i32(FSW.ES));
    b.set(CPU.fop, b.callIf(unmasked, b.get(CPU.fop, "i32"), "x87_opcode", b.ripThis()));
    if (b.form.memory) b.set(CPU.fdp, b.offset());
  };

/** The number of the register operand. */
function number(b: InstructionBuilder): Value {
  return b.field("rm");
}

/** The two parts of a memory operand of 10 bytes. */
function readTenBytes(b: InstructionBuilder): [Value, Value] {
  const linear = b.address("read");
  const upper = b.and(b.add(linear, b.i64(8)), b.get(CPU.linearMask, "i64"));
  return [b.load(linear, 8), b.load(upper, 2)];
}

/** A signed integer operand as an i64. */
function readInteger(b: InstructionBuilder): Value {
  const value = b.read(0);
  return value.type === "i64" ? value : b.extend(b.signExtend(value, b.bitsOf(0)), true);
}

export const loadSingle = computation((b) => b.call("x87_load_single", b.read(0)));
export const loadDouble = computation((b) => b.call("x87_load_double", b.read(0)));
export const loadExtended = computation((b) => b.call("x87_load_extended", ...readTenBytes(b)));
export const loadDecimal = computation((b) => b.call("x87_load_decimal", ...readTenBytes(b)));
export const loadInteger = computation((b) => b.call("x87_load_integer", readInteger(b)));
export const loadRegister = computation((b) => b.call("x87_load_register", number(b)));
export const loadConstant = (n: number): Semantics => computation((b) => b.call("x87_load_constant", b.i32(n)));

/** The `format` argument of x87_store for formats that are not integers. */
const FORMAT = { single: 0, double: 1, extended: 2, decimal: 3 } as const;

const store = (format: (b: InstructionBuilder) => number, pops: number): Semantics =>
  computation((b) => b.call("x87_store", b.address("write"), b.i32(format(b)), b.i32(pops)));

/** FST, FSTP, FBSTP to memory. */
export const storeReal = (format: keyof typeof FORMAT, pops: number): Semantics => store(() => FORMAT[format], pops);
/** FIST, FISTP. */
export const storeInteger = (pops: number): Semantics => store((b) => b.bitsOf(0), pops);
/** FISTTP */
export const storeTruncated = store((b) => -b.bitsOf(0), 1);
export const storeRegister = (pops: number): Semantics =>
  computation((b) => b.call("x87_store_register", number(b), b.i32(pops)));

export const storeIfPresent = computation((b) => b.call("x87_store_if_present", number(b)));

export const exchange = computation((b) => b.call("x87_exchange", number(b)));
export const moveIf = (condition: number): Semantics =>
  computation((b) => b.call("x87_move_if", number(b), b.cond(condition)));

/** ST(0) op ST(i), to ST(0). */
export const arithmetic = (operation: number): Semantics =>
  computation((b) => b.call("x87_arithmetic_register", b.i32(operation), number(b), b.i32(0), b.i32(0)));

/** ST(0) op ST(i), to ST(i). */
export const arithmeticTo = (operation: number, pops: number): Semantics =>
  computation((b) => b.call("x87_arithmetic_register", b.i32(operation), number(b), number(b), b.i32(pops)));

export const arithmeticSingle = (operation: number): Semantics =>
  computation((b) => b.call("x87_arithmetic_single", b.i32(operation), b.read(0)));
export const arithmeticDouble = (operation: number): Semantics =>
  computation((b) => b.call("x87_arithmetic_double", b.i32(operation), b.read(0)));
export const arithmeticInteger = (operation: number): Semantics =>
  computation((b) => b.call("x87_arithmetic_integer", b.i32(operation), readInteger(b)));

/** FCOM, FUCOM of ST(i). */
export const compare = (quiet: boolean, pops: number): Semantics =>
  computation((b) => b.call("x87_compare_register", number(b), b.i32(Number(quiet)), b.i32(pops)));

/** FCOMPP, FUCOMPP. */
export const compareTopTwo = (quiet: boolean): Semantics =>
  computation((b) => b.call("x87_compare_register", b.i32(1), b.i32(Number(quiet)), b.i32(2)));
export const compareSingle = (pops: number): Semantics =>
  computation((b) => b.call("x87_compare_single", b.read(0), b.i32(pops)));
export const compareDouble = (pops: number): Semantics =>
  computation((b) => b.call("x87_compare_double", b.read(0), b.i32(pops)));
export const compareInteger = (pops: number): Semantics =>
  computation((b) => b.call("x87_compare_integer", readInteger(b), b.i32(pops)));

/** FCOMI, FUCOMI. */
export const compareFlags = (quiet: boolean, pops: number): Semantics =>
  computation((b) => {
    b.flags("raw", 32, [b.call("x87_compare_flags", number(b), b.i32(Number(quiet)), b.i32(pops))]);
  });

/** An instruction of D9 E0-FF by its low five bits. */
export const unary = (n: number): Semantics => computation((b) => b.call("x87_unary", b.i32(n)));

// Control instructions

function status(b: InstructionBuilder): Value {
  return b.get(CPU.fsw, "i32");
}

/** C1 := 0 and TOP moved. */
const moveTop = (by: number): Semantics =>
  control((b) => {
    const kept = b.and(status(b), b.i32(~(FSW.TOP | FSW.C1)));
    const top = b.and(b.add(status(b), b.i32(by * (FSW.TOP & -FSW.TOP))), b.i32(FSW.TOP));
    b.set(CPU.fsw, b.or(kept, top));
  });

export const incrementTop = moveTop(1);
export const decrementTop = moveTop(-1);

/** FFREE ST(i): C1 := 0 too. */
export const free = control((b) => {
  b.set(CPU.fsw, b.and(status(b), b.i32(~FSW.C1)));
  const register = b.and(b.add(b.shrU(status(b), b.i32(11)), number(b)), b.i32(7));
  b.set(CPU.ftw, b.and(b.get(CPU.ftw, "i32"), b.not(b.shl(b.i32(1), register))));
});

/** FFREEP ST(i): FFREE, then pops. */
export const freeAndPop = control((b) => {
  const top = b.and(b.shrU(status(b), b.i32(11)), b.i32(7));
  const register = b.and(b.add(top, number(b)), b.i32(7));
  const freed = b.or(b.shl(b.i32(1), register), b.shl(b.i32(1), top));
  b.set(CPU.ftw, b.and(b.get(CPU.ftw, "i32"), b.not(freed)));
  const moved = b.and(b.add(status(b), b.i32(FSW.TOP & -FSW.TOP)), b.i32(FSW.TOP));
  b.set(CPU.fsw, b.or(b.and(status(b), b.i32(~(FSW.TOP | FSW.C1))), moved));
});

export const nop = control(() => {});

/** FNENI, FNDISI, FNSETPM: since the 80387 they do nothing. */
export const ignored = control(() => {}, false);

export const initialize = control((b) => b.call("x87_initialize"), false);

/** FNCLEX */
export const clearExceptions = control((b) => {
  b.set(CPU.fsw, b.and(status(b), b.i32(FSW.TOP | FSW.conditions)));
}, false);

/** FNSTSW, FNSTCW */
export const storeStatus = control((b) => b.write(0, status(b)), false);
export const storeControl = control((b) => b.write(0, b.get(CPU.fcw, "i32")), false);
export const loadControl = control((b) => b.call("x87_set_control", b.read(0)));

/** Bytes of a field of the environment, by operand size. */
function fieldBytes(b: InstructionBuilder): number {
  return b.bits === 16 ? 2 : 4;
}

type EnvironmentHelper = "x87_store_environment" | "x87_load_environment" | "x87_save" | "x87_restore";

const environment = (helper: EnvironmentHelper, intent: "read" | "write", registerBytes: number): Semantics =>
  control((b) => {
    const field = fieldBytes(b);
    b.call(helper, b.address(intent, 7 * field + registerBytes), b.i32(field));
  }, intent === "read");

export const storeEnvironment = environment("x87_store_environment", "write", 0);
export const loadEnvironment = environment("x87_load_environment", "read", 0);
export const save = environment("x87_save", "write", 80);
export const restore = environment("x87_restore", "read", 80);

/** FWAIT: #NM only if both CR0.MP and CR0.TS are set. [SDM 2A WAIT] */
export const wait: Semantics = (b) => {
  const both = b.and(b.get(CPU.cr0, "i32"), b.i32(CR0.MP | CR0.TS));
  b.trapIf(b.eq(both, b.i32(CR0.MP | CR0.TS)), VECTOR.NM);
  checkPending(b);
};
