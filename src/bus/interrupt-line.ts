/** A wire from a chip to an interrupt controller. `true` asserts it; setting the level it already has changes nothing. */
export interface InterruptLine {
  set(level: boolean): void;
}

/** A pin that is not connected. */
export const unconnected: InterruptLine = { set() {} };

/** A wire that remembers its level, for tests and for inputs that are looked at instead of being delivered. */
export class LatchedLine implements InterruptLine {
  level = false;
  /** How often the level rose. */
  edges = 0;

  set(level: boolean): void {
    if (level && !this.level) this.edges++;
    this.level = level;
  }
}
