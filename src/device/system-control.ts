import { checkVersion, type Device } from "../bus/device.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import * as spec from "../spec/system-control.ts";
import type { A20Gate } from "./a20-gate.ts";

/** System control port A (0x92): the fast A20 gate and the fast reset. Its state is the gate's. */
export class SystemControlPortA implements RegisterBlock {
  readonly width = 1;
  // glue
  private readonly a20: A20Gate;
  private readonly onReset: () => void;

  constructor(glue: { a20: A20Gate; onReset: () => void }) {
    this.a20 = glue.a20;
    this.onReset = glue.onReset;
  }

  read(): number {
    return this.a20.enabled ? spec.PORT_A_A20 : 0;
  }

  write(_offset: number, _size: number, value: number): void {
    this.a20.enabled = (value & spec.PORT_A_A20) !== 0;
    if ((value & spec.PORT_A_FAST_RESET) !== 0) this.onReset();
  }
}

const RESET_CONTROL_VERSION = 1;

export interface ResetControlState {
  readonly version: number;
  value: number;
}

/** The chip set's reset control register (0xcf9): RST_CPU going from 0 to 1 resets. [ICH9 13.7.5] */
export class ResetControl implements Device<ResetControlState>, RegisterBlock {
  readonly name = "reset-control";
  readonly width = 1;
  // glue
  private readonly onReset: () => void;
  // state
  private value = 0;

  constructor(glue: { onReset: () => void }) {
    this.onReset = glue.onReset;
  }

  reset(): void {
    this.value = 0;
  }

  snapshot(): ResetControlState {
    return { version: RESET_CONTROL_VERSION, value: this.value };
  }

  restore(state: ResetControlState): void {
    checkVersion(this.name, state, RESET_CONTROL_VERSION);
    this.value = state.value & spec.RST_CNT_MASK;
  }

  read(): number {
    return this.value;
  }

  write(_offset: number, _size: number, value: number): void {
    const rises = (value & ~this.value & spec.RST_CNT_RST_CPU) !== 0;
    this.value = value & spec.RST_CNT_MASK;
    if (rises) this.onReset();
  }
}
