const CTRL_A = 0x01;

/** What the escape key and the key after it ask for. */
export interface EscapeActions {
  /** Ctrl-A x. */
  leave(): void;
  /** Ctrl-A h, or ?. */
  help(): void;
}

export const ESCAPE_HELP = [
  "Ctrl-A x       leave: the machine is switched off",
  "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
  "Ctrl-A h       this help",
];

/** Takes the escape sequences that are meant for the program out of a terminal's input. */
export class EscapeKeys {
  private readonly actions: EscapeActions;
  private escaped = false;

  constructor(actions: EscapeActions) {
    this.actions = actions;
  }

  /** Returns the bytes that are for the guest. An escape may be split over two calls; an unknown one is dropped. */
  filter(input: Uint8Array): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(input.length);
    let length = 0;
    for (const byte of input) {
      if (this.escaped) {
        this.escaped = false;
        if (byte === CTRL_A) out[length++] = byte;
        else this.act(String.fromCharCode(byte));
      } else if (byte === CTRL_A) this.escaped = true;
      else out[length++] = byte;
    }
    return out.subarray(0, length);
  }

  private act(key: string): void {
    if (key === "x" || key === "X") this.actions.leave();
    else if (key === "h" || key === "H" || key === "?") this.actions.help();
  }
}
