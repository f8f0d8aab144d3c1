import { checkVersion, type Device } from "../bus/device.ts";

const VERSION = 1;

export interface A20State {
  readonly version: number;
  enabled: boolean;
}

/**
 * The gate of address line 20, which several chips switch. Guests read back what they set; the line itself is always
 * open, as it is under KVM.
 */
export class A20Gate implements Device<A20State> {
  readonly name = "a20";
  // state
  enabled = true;

  reset(): void {
    this.enabled = true;
  }

  snapshot(): A20State {
    return { version: VERSION, enabled: this.enabled };
  }

  restore(state: A20State): void {
    checkVersion(this.name, state, VERSION);
    this.enabled = state.enabled;
  }
}
