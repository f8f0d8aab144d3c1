import type { ReadStream } from "node:tty";
import { ESCAPE_HELP, EscapeKeys } from "./escape-keys.ts";

export interface TerminalOptions {
  /** The guest's input: bytes as typed, escapes taken out. Input is paused until the promise resolves. */
  onInput(bytes: Uint8Array): Promise<void> | void;
  /** The user asked to leave (Ctrl-A x), or a signal came, or nobody reads the output any more. */
  onLeave(reason: LeaveReason): void;
  /** Whether Ctrl-A is the escape key; by default it is when the input is a terminal, so that piped bytes arrive untouched. */
  escapes?: boolean;
  input?: NodeJS.ReadStream;
  output?: NodeJS.WriteStream;
  /** Where the help goes. */
  messages?: NodeJS.WriteStream;
}

export type LeaveReason = "escape" | "output-closed";

const DEADLY_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * The user's terminal as the outside of a character device. While it is open, a terminal input is in raw mode; it is
 * restored by `close`, on exit, after an uncaught exception and on signals. The end of a piped input ends nothing.
 */
export class Terminal {
  private readonly input: NodeJS.ReadStream;
  private readonly output: NodeJS.WriteStream;
  private readonly options: TerminalOptions;
  private readonly messages: NodeJS.WriteStream;
  private readonly keys: EscapeKeys | undefined;
  private outputGone = false;
  private open = true;

  constructor(options: TerminalOptions) {
    this.options = options;
    this.input = options.input ?? process.stdin;
    this.output = options.output ?? process.stdout;
    this.messages = options.messages ?? process.stderr;
    const actions = { leave: () => options.onLeave("escape"), help: () => this.help() };
    this.keys = (options.escapes ?? this.input.isTTY === true) ? new EscapeKeys(actions) : undefined;
    this.attach();
  }

  /** Writes the guest's output untouched; resolves when the output can take more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.outputGone || this.output.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.output.off("drain", done);
        this.output.off("close", done);
        this.output.off("error", done);
        resolve();
      };
      this.output.on("drain", done);
      this.output.on("close", done);
      this.output.on("error", done);
    });
  }

  /** Restores the terminal and lets go of the streams. Output already written still goes out. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.restore();
    this.input.off("data", this.onData);
    this.input.off("error", this.onInputError);
    this.input.pause();
    this.input.unref?.();
    process.off("exit", this.restore);
    process.off("SIGTSTP", this.onStop);
    process.off("SIGCONT", this.onContinue);
    for (const signal of DEADLY_SIGNALS) process.off(signal, this.onDeadlySignal);
  }

  private attach(): void {
    this.input.on("data", this.onData);
    this.input.on("error", this.onInputError);
    this.output.on("error", this.onOutputError);
    process.on("exit", this.restore);
    process.on("SIGTSTP", this.onStop);
    process.on("SIGCONT", this.onContinue);
    for (const signal of DEADLY_SIGNALS) process.on(signal, this.onDeadlySignal);
    this.makeRaw();
  }

  private makeRaw(): void {
    if (this.input.isTTY) (this.input as ReadStream).setRawMode(true);
  }

  private readonly restore = (): void => {
    if (this.input.isTTY && !this.input.destroyed) (this.input as ReadStream).setRawMode(false);
  };

  private readonly onData = (chunk: Buffer): void => {
    const bytes = this.keys === undefined ? new Uint8Array(chunk) : this.keys.filter(chunk);
    if (bytes.length === 0) return;
    const taken = this.options.onInput(bytes);
    if (taken === undefined) return;
    this.input.pause();
    void taken.then(() => {
      if (this.open) this.input.resume();
    });
  };

  /** A terminal that went away (EIO) is a guest without input; SIGHUP says the rest. */
  private readonly onInputError = (): void => {};

  private readonly onOutputError = (): void => {
    if (this.outputGone) return;
    this.outputGone = true;
    if (this.open) this.options.onLeave("output-closed");
  };

  /** Restores the terminal and dies of the signal, so that the parent sees the true cause. */
  private readonly onDeadlySignal = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };

  /** Stops as if SIGTSTP had not been caught: the shell gets its terminal back in order. */
  private readonly onStop = (): void => {
    this.restore();
    process.kill(process.pid, "SIGSTOP");
  };

  private readonly onContinue = (): void => {
    if (this.open) this.makeRaw();
  };

  private help(): void {
    this.messages.write(`\r\n${ESCAPE_HELP.join("\r\n")}\r\n`);
  }
}
