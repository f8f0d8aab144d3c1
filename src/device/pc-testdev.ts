import { checkVersion, type Device } from "../bus/device.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "../bus/register-block.ts";
import { TESTDEV_ECHO_SIZE, TESTDEV_LINES, TESTDEV_MEMORY_SIZE } from "../spec/pc-testdev.ts";

const VERSION = 1;

export interface PcTestdevState {
  readonly version: number;
  /** What the echo register keeps. */
  echo: number;
  /** Bit N: line N is high. */
  lines: number;
  /** The words of the memory that are not 0, by their number. */
  memory: { [word: string]: number };
}

/**
 * QEMU's pc-testdev: a register that keeps what is written, lines that software drives, and memory behind registers.
 * Left out are its second view of the register, which splits accesses, and its port that makes the host map a page anew.
 */
export class PcTestdev implements Device<PcTestdevState> {
  readonly name = "pc-testdev";
  readonly echo: RegisterBlock;
  readonly lines: RegisterBlock;
  readonly memory: RegisterBlock;
  // glue
  private readonly outputs: readonly InterruptLine[];
  // state
  private readonly echoData = new DataView(new ArrayBuffer(TESTDEV_ECHO_SIZE));
  private readonly memoryData = new DataView(new ArrayBuffer(TESTDEV_MEMORY_SIZE));
  private levels = 0;

  constructor(glue: { line: (number: number) => InterruptLine }) {
    this.outputs = Array.from({ length: TESTDEV_LINES }, (_, number) => glue.line(number));
    this.echo = new StoredBytes(this.echoData);
    this.memory = new StoredBytes(this.memoryData);
    this.lines = {
      width: 1,
      read: allOnes.bind(undefined, 1),
      write: (offset, _size, value) => this.drive(offset, value !== 0),
    };
  }

  reset(): void {
    this.restore({ version: VERSION, echo: 0, lines: 0, memory: {} });
  }

  snapshot(): PcTestdevState {
    const memory: PcTestdevState["memory"] = {};
    for (let word = 0; word < TESTDEV_MEMORY_SIZE / 4; word++) {
      const value = this.memoryData.getUint32(word * 4, true);
      if (value !== 0) memory[word] = value;
    }
    return { version: VERSION, echo: this.echoData.getUint32(0, true), lines: this.levels, memory };
  }

  restore(state: PcTestdevState): void {
    checkVersion(this.name, state, VERSION);
    this.echoData.setUint32(0, state.echo, true);
    for (let word = 0; word < TESTDEV_MEMORY_SIZE / 4; word++) {
      this.memoryData.setUint32(word * 4, state.memory[word] ?? 0, true);
    }
    for (let line = 0; line < TESTDEV_LINES; line++) this.drive(line, ((state.lines >> line) & 1) !== 0);
  }

  private drive(line: number, level: boolean): void {
    this.levels = level ? this.levels | (1 << line) : this.levels & ~(1 << line);
    this.outputs[line]?.set(level);
  }
}

/** Registers that are bytes in a row and keep what is written. */
class StoredBytes implements RegisterBlock {
  readonly width = 4;
  private readonly data: DataView;

  constructor(data: DataView) {
    this.data = data;
  }

  read(offset: number, size: AccessSize): number {
    if (size === 1) return this.data.getUint8(offset);
    return size === 2 ? this.data.getUint16(offset, true) : this.data.getUint32(offset, true);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size === 1) this.data.setUint8(offset, value);
    else if (size === 2) this.data.setUint16(offset, value, true);
    else this.data.setUint32(offset, value, true);
  }
}
