import type { Value } from "../ir/builder.ts";
import { VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { bitOf, multiplyHighSigned, multiplyHighUnsigned } from "./integer.ts";

/** A product's halves in the operand's type, and whether the high one says anything. */
interface Product {
  readonly low: Value;
  readonly high: Value;
  readonly overflow: Value;
}

function product(b: InstructionBuilder, bits: number, signed: boolean, x: Value, y: Value): Product {
  const { low, high } = bits === 64 ? product64(b, signed, x, y) : productNarrow(b, bits, signed, x, y);
  const sign = b.shrS(b.signExtend(low, bits), b.constant(low, bits === 64 ? 63 : 31));
  const insignificant = signed ? b.zeroExtend(sign, bits) : b.constant(low, 0);
  return { low, high, overflow: b.ne(high, insignificant) };
}

function product64(b: InstructionBuilder, signed: boolean, x: Value, y: Value): { low: Value; high: Value } {
  return { low: b.mul(x, y), high: signed ? multiplyHighSigned(b, x, y) : multiplyHighUnsigned(b, x, y) };
}

function productNarrow(
  b: InstructionBuilder,
  bits: number,
  signed: boolean,
  x: Value,
  y: Value,
): { low: Value; high: Value } {
  const wide = (value: Value): Value => b.extend(signed ? b.signExtend(value, bits) : value, signed);
  const whole = b.mul(wide(x), wide(y));
  const cut = (value: Value): Value => b.zeroExtend(b.wrap(value), bits);
  return { low: cut(whole), high: cut(b.shrU(whole, b.i64(bits))) };
}

/** rDX:rAX := rAX * SRC (8 bits: AX := AL * SRC). [SDM 2B MUL, 2A IMUL] */
const accumulate =
  (signed: boolean): Semantics =>
  (b) => {
    const bits = b.bitsOf(0);
    const source = b.read(0);
    const { low, high, overflow } = product(b, bits, signed, b.gpr("rax", bits), source);
    if (bits === 8) b.setGpr("rax", b.or(low, b.shl(high, b.i32(8))), 16);
    else {
      b.setGpr("rax", low, bits);
      b.setGpr("rdx", high, bits);
    }
    b.flags("shift", bits, [low, overflow, overflow]);
  };

export const mul = accumulate(false);
export const imul = accumulate(true);

function multiplyInto(b: InstructionBuilder, x: Value, y: Value): void {
  const bits = b.bitsOf(0);
  const { low, overflow } = product(b, bits, true, x, y);
  b.write(0, low);
  b.flags("shift", bits, [low, overflow, overflow]);
}

/** DEST := DEST * SRC [SDM 2A IMUL] */
export const imul2: Semantics = (b) => {
  const source = b.read(1);
  multiplyInto(b, b.read(0), source);
};

/** DEST := SRC1 * SRC2 [SDM 2A IMUL] */
export const imul3: Semantics = (b) => multiplyInto(b, b.read(1), b.read(2));

/** A dividend of two i64 halves. */
interface Wide {
  readonly high: Value;
  readonly low: Value;
}

/** The dividend of DIV and IDIV as one number of `2 * bits` bits; up to 64 bits its high half is empty. */
function dividend(b: InstructionBuilder, bits: number): Wide {
  if (bits === 64) return { high: b.gpr("rdx", 64), low: b.gpr("rax", 64) };
  if (bits === 8) return { high: b.i64(0), low: b.extend(b.gpr("rax", 16)) };
  const high = b.shl(b.extend(b.gpr("rdx", bits)), b.i64(bits));
  return { high: b.i64(0), low: b.or(high, b.extend(b.gpr("rax", bits))) };
}

/** Quotient and remainder of unsigned numbers; #DE if the quotient has over `bits` bits. */
function divide(
  b: InstructionBuilder,
  bits: number,
  { high, low }: Wide,
  divisor: Value,
): { quotient: Value; remainder: Value } {
  const top = bits === 64 ? high : b.shrU(low, b.i64(bits));
  b.trapIf(b.compare("le_u", divisor, top), VECTOR.DE);
  const quotient = bits === 64 ? b.call("udiv128", high, low, divisor) : b.call("udiv64", low, divisor);
  return { quotient, remainder: b.sub(low, b.mul(quotient, divisor)) };
}

function writeQuotient(b: InstructionBuilder, bits: number, quotient: Value, remainder: Value): void {
  if (bits === 64) {
    b.setGpr("rax", quotient, 64);
    b.setGpr("rdx", remainder, 64);
    return;
  }
  const [q, r] = [b.wrap(quotient), b.wrap(remainder)];
  if (bits === 8) return b.setGpr("rax", b.or(b.and(q, b.i32(0xff)), b.shl(r, b.i32(8))), 16);
  b.setGpr("rax", q, bits);
  b.setGpr("rdx", r, bits);
}

/** [SDM 2A DIV] */
export const div: Semantics = (b) => {
  const bits = b.bitsOf(0);
  const divisor = b.extend(b.read(0));
  const { quotient, remainder } = divide(b, bits, dividend(b, bits), divisor);
  writeQuotient(b, bits, quotient, remainder);
};

/** value ^ sign - sign: negates where sign is -1. */
function negateIf(b: InstructionBuilder, sign: Value, value: Value): Value {
  return b.sub(b.xor(value, sign), sign);
}

function magnitude(b: InstructionBuilder, { high, low }: Wide, sign: Value): Wide {
  const flipped = b.xor(low, sign);
  const result = b.sub(flipped, sign);
  // ~low + 1 carries when low was 0
  const carry = b.extend(b.and(b.wrap(b.and(sign, b.i64(1))), b.isZero(result)));
  return { high: b.add(b.xor(high, sign), carry), low: result };
}

/** Division of magnitudes; the quotient's sign is the operands', the remainder's the dividend's. [SDM 2A IDIV] */
export const idiv: Semantics = (b) => {
  const bits = b.bitsOf(0);
  const divisor = b.extend(b.signExtend(b.read(0), bits), true);
  const divisorSign = b.shrS(divisor, b.i64(63));
  const { high, low } = signedDividend(b, bits);
  const sign = b.shrS(bits === 64 ? high : low, b.i64(63));
  const positive = bits === 64 ? magnitude(b, { high, low }, sign) : { high, low: negateIf(b, sign, low) };
  const { quotient, remainder } = divide(b, bits, positive, negateIf(b, divisorSign, divisor));
  const quotientSign = b.xor(sign, divisorSign);
  trapUnlessFits(b, bits, quotient, quotientSign);
  writeQuotient(b, bits, negateIf(b, quotientSign, quotient), negateIf(b, sign, remainder));
};

function signedDividend(b: InstructionBuilder, bits: number): Wide {
  const wide = dividend(b, bits);
  if (bits >= 32) return wide;
  return { high: wide.high, low: b.extend(b.signExtend(b.wrap(wide.low), bits * 2), true) };
}

/** #DE if a quotient's magnitude is over 2^(bits-1) - 1, or 2^(bits-1) for a negative one. */
function trapUnlessFits(b: InstructionBuilder, bits: number, quotient: Value, sign: Value): void {
  const limit = b.sub(bits === 64 ? b.i64(-1, 0x7fffffff) : b.i64(2 ** (bits - 1) - 1), sign);
  b.trapIf(b.compare("lt_u", limit, quotient), VECTOR.DE);
}

/** ADCX and ADOX: additions that change one flag only. [SDM 2A ADCX, ADOX] */
export const addWithFlag =
  (flag: "cf" | "of"): Semantics =>
  (b) => {
    const bits = b.bitsOf(0);
    const [x, y] = [b.read(0), b.read(1)];
    const [of, cf] = [b.cond(0), b.cond(2)];
    const sum = b.add(b.add(x, y), b.toInt(flag === "cf" ? cf : of, b.typeOf(0)));
    const carry = bitOf(b, b.or(b.and(x, y), b.and(b.or(x, y), b.not(sum))), bits - 1);
    b.write(0, sum);
    b.flags("cfof", bits, flag === "cf" ? [carry, of] : [cf, carry]);
  };
