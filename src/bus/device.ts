import { UserError } from "../base/assert.ts";

/** A device's state as plain named data: what JSON can hold, with the version of its shape. */
export interface DeviceState {
  readonly version: number;
}

/** A part of the board that has state. Its class holds three groups of fields: config, glue and state. */
export interface Device<State extends DeviceState = DeviceState> {
  /** Unique on its board: the key of its state in a snapshot. */
  readonly name: string;
  /** What the RESET pin does; state that a battery keeps stays. */
  reset(): void;
  /** Exactly the state, detached from the device. */
  snapshot(): State;
  /** Takes the state over and drives the output lines to match. Throws UserError if the version is not its own. */
  restore(state: State): void;
}

/** A detached copy of plain state. */
export function copyState<State extends DeviceState>(state: State): State {
  return JSON.parse(JSON.stringify(state)) as State;
}

/** Throws UserError unless `state` has the shape that `device` writes. */
export function checkVersion(device: string, state: DeviceState, version: number): void {
  if (state.version === version) return;
  throw new UserError(
    `the saved state of ${device} has version ${state.version}, this program reads version ${version}`,
    "Restore it with the program that saved it.",
  );
}
