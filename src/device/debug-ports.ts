import type { CharBackend } from "../backend/chardev/chardev.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "../bus/register-block.ts";
import { DEBUGCON_PRESENT } from "../spec/system-control.ts";

/** isa-debug-exit: a write of V ends the machine with status (V << 1) | 1. [QEMU isa-debug-exit] */
export class DebugExit implements RegisterBlock {
  readonly width = 4;
  // glue
  private readonly onExit: (status: number) => void;

  constructor(glue: { onExit: (status: number) => void }) {
    this.onExit = glue.onExit;
  }

  read(): number {
    return 0;
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.onExit(((value << 1) | 1) >>> 0);
  }
}

/** The debug console (0xe9): every byte written goes out; reading tells that it is there. */
export class DebugConsole implements RegisterBlock {
  readonly width = 1;
  // glue
  private readonly backend: CharBackend;

  constructor(glue: { backend: CharBackend }) {
    this.backend = glue.backend;
  }

  read(): number {
    return DEBUGCON_PRESENT;
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.backend.write(value);
  }
}

/** The POST code port (0x80): a write has no effect but its time, for which drivers use it. */
export class PostPort implements RegisterBlock {
  readonly width = 1;
  /** The last code, for whoever debugs a boot. */
  code = 0;

  read(_offset: number, size: AccessSize): number {
    return allOnes(size);
  }

  write(_offset: number, _size: AccessSize, value: number): void {
    this.code = value;
  }
}
