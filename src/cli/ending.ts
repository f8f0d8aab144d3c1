import { UserError } from "../base/assert.ts";

/** How the program ends. */
export interface Ending {
  readonly status: number;
  /** Whether output that is not out yet may be lost: the user left, or nobody reads it. */
  readonly abandoned?: boolean;
}

/** Any error. */
export const STATUS_ERROR = 1;
/** What timeout(1) ends with when time is up. */
export const STATUS_TIMEOUT = 124;
/** 128 + SIGPIPE: what shells see of a program whose output nobody reads. */
export const STATUS_PIPE = 141;

/** Tells an error: its cause, then what to do about it; with a stack trace only if it is a defect of ours. */
export function printError(error: unknown): Ending {
  if (error instanceof UserError) printFailure(error.message, error.remedy);
  else
    printFailure(
      "internal error, a defect of tskvm",
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
  return { status: STATUS_ERROR };
}

/** Prints to standard error: a line that says what is wrong, and more lines below it. */
export function printFailure(message: string, details = ""): void {
  const lines = details === "" ? [] : details.split("\n").map((line) => `  ${line}`);
  process.stderr.write(`${[`tskvm: ${message}`, ...lines].join("\n")}\n`);
}
