import { checkVersion, copyState, type Device } from "../bus/device.ts";
import { Fifo } from "../bus/fifo.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import * as spec from "../spec/i8042.ts";
import type { A20Gate } from "./a20-gate.ts";

const VERSION = 1;
const OUTPUT_SLOTS = 16;
/** What stands above a byte in the output queue: the status bits it shows while it can be read. */
const SHOWN = spec.STATUS_AUX_OBF | spec.STATUS_TIMEOUT;

export interface I8042State {
  readonly version: number;
  /** The controller's RAM; byte 0 is the command byte. */
  ram: number[];
  /** A command that waits for its data byte; 0 is none. */
  command: number;
  /** STATUS_COMMAND as the last write left it. */
  commandWritten: boolean;
  /** Bytes for the host, oldest first, each with its status bits above it. */
  output: number[];
}

export interface I8042Glue {
  keyboardInterrupt: InterruptLine;
  auxInterrupt: InterruptLine;
  a20: A20Gate;
  /** The line from the output port to the processor's RESET. */
  onReset(): void;
}

/**
 * The PC/AT's keyboard controller with nothing plugged into either port: its own commands work, and a byte sent to a device
 * is answered at once with the controller's report that nobody is there. So a driver's probe ends quickly.
 */
export class I8042 implements Device<I8042State> {
  // config
  readonly name = "i8042";
  /** The two ports, which are not next to each other. */
  readonly data: RegisterBlock = {
    width: 1,
    read: () => this.readData(),
    write: (_o, _s, value) => this.writeData(value),
  };
  readonly control: RegisterBlock = {
    width: 1,
    read: () => this.status,
    write: (_o, _s, value) => this.writeCommand(value),
  };
  // glue
  private readonly glue: I8042Glue;
  // state
  private readonly output = new Fifo(OUTPUT_SLOTS);
  private ram: number[] = [];
  private command = 0;
  private commandWritten = false;

  constructor(glue: I8042Glue) {
    this.glue = glue;
    this.reset();
  }

  /** The state that a BIOS's power-on test leaves: self-test passed, both interfaces and their interrupts off. */
  reset(): void {
    const ram = new Array<number>(spec.I8042_RAM_BYTES).fill(0);
    ram[0] = spec.CCB_SYSTEM_FLAG | spec.CCB_KBD_DISABLE | spec.CCB_AUX_DISABLE;
    this.restore({ version: VERSION, ram, command: 0, commandWritten: false, output: [] });
  }

  snapshot(): I8042State {
    const { ram, command, commandWritten } = this;
    return copyState({ version: VERSION, ram, command, commandWritten, output: this.output.toArray() });
  }

  restore(state: I8042State): void {
    checkVersion(this.name, state, VERSION);
    this.ram = Array.from({ length: spec.I8042_RAM_BYTES }, (_, address) => (state.ram[address] ?? 0) & 0xff);
    this.command = state.command & 0xff;
    this.commandWritten = state.commandWritten;
    this.output.fill(state.output);
    this.updateInterrupts();
  }

  private get commandByte(): number {
    return this.ram[0]!;
  }

  private get status(): number {
    let status = spec.STATUS_NOT_INHIBITED;
    if (this.output.length > 0) status |= spec.STATUS_OBF | (this.output.at(0) >> 8);
    if (this.commandWritten) status |= spec.STATUS_COMMAND;
    if ((this.commandByte & spec.CCB_SYSTEM_FLAG) !== 0) status |= spec.STATUS_SYSTEM_FLAG;
    return status;
  }

  private readData(): number {
    const byte = this.output.shift() & 0xff;
    this.glue.keyboardInterrupt.set(false);
    this.glue.auxInterrupt.set(false);
    this.updateInterrupts();
    return byte;
  }

  private writeCommand(command: number): void {
    this.commandWritten = true;
    this.command = 0;
    if (command >= spec.CMD_READ_RAM && command < spec.CMD_READ_RAM + spec.I8042_RAM_BYTES) {
      this.reply(this.ram[command - spec.CMD_READ_RAM]!);
    } else if (takesData(command)) this.command = command;
    else if (command >= spec.CMD_PULSE_OUTPUT) this.pulse(command);
    else this.execute(command);
  }

  private execute(command: number): void {
    switch (command) {
      case spec.CMD_AUX_DISABLE:
        this.setCommandByte(this.commandByte | spec.CCB_AUX_DISABLE);
        break;
      case spec.CMD_AUX_ENABLE:
        this.setCommandByte(this.commandByte & ~spec.CCB_AUX_DISABLE);
        break;
      case spec.CMD_KBD_DISABLE:
        this.setCommandByte(this.commandByte | spec.CCB_KBD_DISABLE);
        break;
      case spec.CMD_KBD_ENABLE:
        this.setCommandByte(this.commandByte & ~spec.CCB_KBD_DISABLE);
        break;
      case spec.CMD_A20_DISABLE:
        this.glue.a20.enabled = false;
        break;
      case spec.CMD_A20_ENABLE:
        this.glue.a20.enabled = true;
        break;
      default:
        this.answer(command);
    }
  }

  /** The commands that put a byte into the output buffer; unknown ones do nothing. */
  private answer(command: number): void {
    switch (command) {
      case spec.CMD_AUX_TEST:
      case spec.CMD_KBD_TEST:
        this.reply(spec.INTERFACE_TEST_PASSED);
        break;
      case spec.CMD_SELF_TEST:
        this.setCommandByte(this.commandByte | spec.CCB_SYSTEM_FLAG);
        this.reply(spec.SELF_TEST_PASSED);
        break;
      case spec.CMD_READ_INPUT_PORT:
        this.reply(spec.INPUT_PORT_NOT_LOCKED);
        break;
      case spec.CMD_READ_OUTPUT_PORT:
        this.reply(this.outputPort);
        break;
      case spec.CMD_READ_TEST_INPUTS:
        this.reply(0);
        break;
    }
  }

  private writeData(byte: number): void {
    const command = this.command;
    this.command = 0;
    this.commandWritten = false;
    if (command >= spec.CMD_WRITE_RAM && command < spec.CMD_WRITE_RAM + spec.I8042_RAM_BYTES) {
      this.ram[command - spec.CMD_WRITE_RAM] = byte;
      this.updateInterrupts();
    } else if (command === spec.CMD_WRITE_OUTPUT_PORT) this.writeOutputPort(byte);
    else if (command === spec.CMD_WRITE_KBD_OUTPUT) this.reply(byte);
    else if (command === spec.CMD_WRITE_AUX_OUTPUT) this.reply(byte, spec.STATUS_AUX_OBF);
    else if (command === spec.CMD_WRITE_AUX) this.reply(spec.REPLY_RESEND, spec.STATUS_AUX_OBF | spec.STATUS_TIMEOUT);
    else this.sendToKeyboard();
  }

  /** Sending enables the keyboard's interface; nobody answers. */
  private sendToKeyboard(): void {
    this.setCommandByte(this.commandByte & ~spec.CCB_KBD_DISABLE);
    this.reply(spec.REPLY_RESEND, spec.STATUS_TIMEOUT);
  }

  private setCommandByte(value: number): void {
    this.ram[0] = value;
    this.updateInterrupts();
  }

  /** Puts a byte where the host reads it; a host that never reads loses the newest. */
  private reply(byte: number, status = 0): void {
    this.output.push(((status & SHOWN) << 8) | byte);
    this.updateInterrupts();
  }

  private get outputPort(): number {
    let port = spec.OUTPUT_NOT_RESET;
    if (this.glue.a20.enabled) port |= spec.OUTPUT_A20;
    if (this.output.length > 0) port |= this.auxAtTop ? spec.OUTPUT_AUX_INTERRUPT : spec.OUTPUT_KBD_INTERRUPT;
    return port;
  }

  private writeOutputPort(value: number): void {
    this.glue.a20.enabled = (value & spec.OUTPUT_A20) !== 0;
    if ((value & spec.OUTPUT_NOT_RESET) === 0) this.glue.onReset();
  }

  private pulse(command: number): void {
    if ((command & spec.OUTPUT_NOT_RESET) === 0) this.glue.onReset();
  }

  private get auxAtTop(): boolean {
    return ((this.output.at(0) >> 8) & spec.STATUS_AUX_OBF) !== 0;
  }

  private updateInterrupts(): void {
    const full = this.output.length > 0;
    const aux = this.auxAtTop;
    this.glue.keyboardInterrupt.set(full && !aux && (this.commandByte & spec.CCB_KBD_INTERRUPT) !== 0);
    this.glue.auxInterrupt.set(full && aux && (this.commandByte & spec.CCB_AUX_INTERRUPT) !== 0);
  }
}

function takesData(command: number): boolean {
  return (
    (command >= spec.CMD_WRITE_RAM && command < spec.CMD_WRITE_RAM + spec.I8042_RAM_BYTES) ||
    (command >= spec.CMD_WRITE_OUTPUT_PORT && command <= spec.CMD_WRITE_AUX)
  );
}
