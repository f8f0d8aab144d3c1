/** What a long operation tells whoever watches it. */
export interface Progress {
  /** Bytes done of a named thing; total is undefined if unknown. Called often. */
  advance(what: string, done: number, total?: number): void;
  /** Something that the user should know, once; no newline. */
  note(text: string): void;
  /** The operation is over: leave the terminal clean. */
  end(): void;
}

/** Tells nobody. */
export const SILENT: Progress = { advance() {}, note() {}, end() {} };

/** The part of a stream that is written to; process.stderr is one. */
export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 80;
const BAR_CELLS = 24;

/** A bar on a terminal; in a pipe one plain line for each thing begun. */
export function progressOn(stream: ProgressStream, now: () => number = Date.now): Progress {
  return stream.isTTY ? new ProgressBar(stream, now) : new ProgressLines(stream);
}

class ProgressBar implements Progress {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #what = "";
  #drawnAt = 0;
  #started = { time: 0, done: 0 };
  #drawn = false;

  constructor(stream: ProgressStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  advance(what: string, done: number, total?: number): void {
    const time = this.#now();
    if (what !== this.#what) this.#started = { time, done };
    else if (time - this.#drawnAt < REDRAW_MS && done !== total) return;
    this.#what = what;
    this.#drawnAt = time;
    const seconds = (time - this.#started.time) / 1000;
    const rate = seconds > 0.5 ? (done - this.#started.done) / seconds : undefined;
    this.#draw(barLine(what, done, total, rate).slice(0, (this.#stream.columns ?? 80) - 1));
  }

  note(text: string): void {
    this.end();
    this.#stream.write(`${text}\n`);
  }

  end(): void {
    if (this.#drawn) this.#stream.write("\r\x1b[K");
    this.#drawn = false;
    this.#what = "";
  }

  #draw(line: string): void {
    this.#stream.write(`\r${line}\x1b[K`);
    this.#drawn = true;
  }
}

class ProgressLines implements Progress {
  readonly #stream: ProgressStream;
  #what = "";

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  advance(what: string, done: number, total?: number): void {
    if (what === this.#what) return;
    this.#what = what;
    const from = done > 0 && done !== total ? `, resumed at ${formatBytes(done)}` : "";
    this.#stream.write(`${what}${total === undefined ? "" : ` (${formatBytes(total)}${from})`}\n`);
  }

  note(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  end(): void {}
}

function barLine(what: string, done: number, total: number | undefined, rate: number | undefined): string {
  const speed = rate === undefined ? "" : `  ${formatBytes(rate)}/s`;
  if (!total) return `${what}  ${formatBytes(done)}${speed}`;
  const share = Math.min(done / total, 1);
  const full = Math.round(share * BAR_CELLS);
  const bar = "#".repeat(full) + "-".repeat(BAR_CELLS - full);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `[${bar}]${percent}  ${what}  ${formatBytes(done)} of ${formatBytes(total)}${speed}`;
}

/** "1.5 MB", in powers of ten as download sizes are given. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
