/** A few x86 instructions, enough for guests that prove an engine: bytes by hand, jumps and addresses by label. */

export type Bits = 16 | 32 | 64;
type Size = 1 | 2 | 4 | 8;

/** Numbers of registers. [SDM 2A 2.2.1] */
export const R = { ax: 0, cx: 1, dx: 2, bx: 3, sp: 4, bp: 5, si: 6, di: 7 } as const;

/** Condition codes of Jcc. [SDM 2A B.1.4.7] */
export const IF = { below: 2, zero: 4, notZero: 5 } as const;

interface Fixup {
  readonly at: number;
  readonly size: Size;
  readonly label: string;
  readonly relative: boolean;
}

function little(value: number | bigint, size: number): number[] {
  const bits = BigInt.asUintN(8 * size, BigInt(value));
  return Array.from({ length: size }, (_, n) => Number((bits >> BigInt(8 * n)) & 0xffn));
}

/** Code for one mode that will stand at `origin`. Every method appends an instruction and returns the code. */
export class Code {
  readonly bits: Bits;
  readonly origin: number;
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];

  constructor(bits: Bits, origin: number) {
    this.bits = bits;
    this.origin = origin;
  }

  /** Where the next instruction will be. */
  get here(): number {
    return this.origin + this.#bytes.length;
  }

  bytes(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  label(name: string): this {
    this.#labels.set(name, this.here);
    return this;
  }

  /** Fills with NOPs up to an address. */
  pad(address: number): this {
    while (this.here < address) this.#bytes.push(0x90);
    return this;
  }

  /** Address of a label. */
  at(name: string): number {
    const address = this.#labels.get(name);
    if (address === undefined) throw new Error(`no label ${name}`);
    return address;
  }

  /** The finished code. */
  finish(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    for (const { at, size, label, relative } of this.#fixups) {
      const value = this.at(label) - (relative ? this.origin + at + size : 0);
      code.set(little(value, size), at);
    }
    return code;
  }

  // Moves

  /** mov register, value: as wide as the mode; in 64-bit mode a value above 32 bits takes the long form. */
  mov(register: number, value: number | bigint): this {
    if (this.bits === 64 && BigInt(value) > 0xffff_ffffn) return this.bytes(0x48, 0xb8 + register, ...little(value, 8));
    return this.bytes(0xb8 + register, ...little(value, this.bits === 16 ? 2 : 4));
  }

  /** mov register, address of a label */
  movLabel(register: number, label: string): this {
    this.bytes(0xb8 + register);
    return this.#reference(label, this.bits === 16 ? 2 : 4, false);
  }

  /** mov e-register, 32-bit value, in any mode */
  mov32(register: number, value: number): this {
    return this.bytes(...(this.bits === 16 ? [0x66] : []), 0xb8 + register, ...little(value, 4));
  }

  /** mov register, [address] */
  load(size: Size, register: number, address: number): this {
    return this.#memory(size, [size === 1 ? 0x8a : 0x8b], register, address);
  }

  /** mov [address], register */
  store(size: Size, address: number, register: number): this {
    return this.#memory(size, [size === 1 ? 0x88 : 0x89], register, address);
  }

  /** mov dword [address], value */
  storeImmediate(address: number, value: number): this {
    return this.#memory(4, [0xc7], 0, address).bytes(...little(value, 4));
  }

  /** add [address], register */
  addTo(size: Size, address: number, register: number): this {
    return this.#memory(size, [size === 1 ? 0x00 : 0x01], register, address);
  }

  /** inc byte [address] */
  incByte(address: number): this {
    return this.#memory(1, [0xfe], 0, address);
  }

  /** An instruction with one memory operand: prefixes by size, opcode, then the address. */
  memory(size: Size, opcode: readonly number[], field: number, address: number): this {
    return this.#memory(size, opcode, field, address);
  }

  // Ports

  /** in al/ax/eax, dx */
  in(size: 1 | 2 | 4): this {
    return this.#sized(size).bytes(size === 1 ? 0xec : 0xed);
  }

  /** out dx, al/ax/eax */
  out(size: 1 | 2 | 4): this {
    return this.#sized(size).bytes(size === 1 ? 0xee : 0xef);
  }

  /** mov dx, port; mov eax, value; out dx, al/ax/eax */
  outTo(size: 1 | 2 | 4, port: number, value: number): this {
    return this.mov(R.dx, port).mov32(R.ax, value).out(size);
  }

  /** out dx, al with what is in AL */
  outAl(port: number): this {
    return this.mov(R.dx, port).out(1);
  }

  /** [rep] ins or outs */
  string(opcode: "ins" | "outs" | "movs" | "stos", size: 1 | 2 | 4, repeat: boolean): this {
    const base = { ins: 0x6c, outs: 0x6e, movs: 0xa4, stos: 0xaa }[opcode];
    if (repeat) this.bytes(0xf3);
    return this.#sized(size).bytes(base + (size === 1 ? 0 : 1));
  }

  // System

  nop(): this {
    return this.bytes(0x90);
  }

  hlt(): this {
    return this.bytes(0xf4);
  }

  cli(): this {
    return this.bytes(0xfa);
  }

  sti(): this {
    return this.bytes(0xfb);
  }

  iret(): this {
    return this.bits === 64 ? this.bytes(0x48, 0xcf) : this.bytes(0xcf);
  }

  /** mov ecx, index; rdmsr */
  rdmsr(index: number): this {
    return this.mov32(R.cx, index).bytes(0x0f, 0x32);
  }

  /** mov ecx, index; mov eax, low; mov edx, high; wrmsr */
  wrmsr(index: number, low: number, high = 0): this {
    return this.mov32(R.cx, index).mov32(R.ax, low).mov32(R.dx, high).bytes(0x0f, 0x30);
  }

  // Control flow

  /** jmp label: near */
  jump(label: string): this {
    this.bytes(0xe9);
    return this.#reference(label, this.bits === 16 ? 2 : 4, true);
  }

  /** jcc label: short */
  jumpIf(condition: number, label: string): this {
    this.bytes(0x70 + condition);
    return this.#reference(label, 1, true);
  }

  /** call label: near */
  call(label: string): this {
    this.bytes(0xe8);
    return this.#reference(label, this.bits === 16 ? 2 : 4, true);
  }

  ret(): this {
    return this.bytes(0xc3);
  }

  #reference(label: string, size: Size, relative: boolean): this {
    this.#fixups.push({ at: this.#bytes.length, size, label, relative });
    return this.bytes(...little(0, size));
  }

  #sized(size: Size): this {
    if (size === 8) return this.bytes(0x48);
    const other = this.bits === 16 ? 4 : 2;
    return size === other ? this.bytes(0x66) : this;
  }

  #memory(size: Size, opcode: readonly number[], field: number, address: number): this {
    const far = this.bits === 16 && address > 0xffff;
    this.bytes(...(far ? [0x67] : []));
    this.#sized(size).bytes(...opcode);
    if (far) return this.bytes((field << 3) | 5, ...little(address, 4));
    if (this.bits === 16) return this.bytes((field << 3) | 6, ...little(address, 2));
    if (this.bits === 32) return this.bytes((field << 3) | 5, ...little(address, 4));
    return this.bytes((field << 3) | 4, 0x25, ...little(address, 4));
  }
}
