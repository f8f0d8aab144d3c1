/** An error caused by what the user gave (a file, a flag, a guest), not by a defect of ours: it is shown without a stack trace. */
export class UserError extends Error {
  /** What the user can do about it; one sentence. */
  readonly remedy: string;

  constructor(message: string, remedy = "", options?: ErrorOptions) {
    super(message, options);
    this.name = "UserError";
    this.remedy = remedy;
  }
}

/** Throws if an invariant of our own code does not hold. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** The end of a switch over a closed union: a missing case is a compile error here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable case: ${String(value)}`);
}
