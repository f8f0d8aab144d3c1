/** Ports of the virtio console that commands in the guest use, in turn. */

import { CONSOLE_NOTE, CONSOLE_REQUEST, type HostConsole } from "../backend/console/console-link.ts";

/** Port 0 is the agent's own. */
export const CONTROL_PORT = 0;
const PIPE_SLOTS = 8;
const TERMINAL_SLOTS = 4;
/** Input, output and errors. */
const PIPE_PORTS = 3;
const FIRST_TERMINAL = 1 + PIPE_SLOTS * PIPE_PORTS;
/** Ports of the whole console. */
export const AGENT_PORTS = FIRST_TERMINAL + TERMINAL_SLOTS;

/** Ports of one command at a time. */
export interface Slot {
  readonly kind: "pipes" | "terminal";
  /** Its place among those of its kind. */
  readonly index: number;
  readonly ports: readonly number[];
  /** Resolve when the guest has closed the ports that the command used. */
  closed: Promise<void>[];
}

type Heard = (op: number) => boolean;

/** Gives slots to commands; those that find none wait. Ports are shown to the guest when they are first needed. */
export class AgentSlots {
  readonly #console: HostConsole;
  readonly #free: { readonly pipes: Slot[]; readonly terminal: Slot[] };
  readonly #queues = { pipes: [] as ((slot: Slot) => void)[], terminal: [] as ((slot: Slot) => void)[] };
  readonly #ready = new Set<number>();
  /** Who waits for a note about a port. */
  readonly #waiting = new Map<number, { heard: Heard; resolve: () => void }[]>();

  constructor(console: HostConsole) {
    this.#console = console;
    this.#free = {
      pipes: Array.from({ length: PIPE_SLOTS }, (_, index) => pipes(index)),
      terminal: Array.from({ length: TERMINAL_SLOTS }, (_, index) => terminal(index)),
    };
    void console.serveNotes(({ op, port }) => this.#hear(op, port));
  }

  /** A slot whose ports the guest has. */
  async acquire(kind: Slot["kind"]): Promise<Slot> {
    const slot = this.#free[kind].shift() ?? (await new Promise<Slot>((resolve) => this.#queues[kind].push(resolve)));
    await Promise.all(slot.ports.map((port) => this.show(port, kind === "terminal")));
    return slot;
  }

  /** Has the guest make a port; resolves when it has. */
  async show(port: number, isTerminal = false): Promise<void> {
    if (this.#ready.has(port)) return;
    // a terminal is there when the guest has opened it for itself
    const wanted = isTerminal ? CONSOLE_NOTE.OPENED : CONSOLE_NOTE.READY;
    const ready = this.#note(port, (op) => op === wanted);
    this.#console.request(CONSOLE_REQUEST.ADD, port, isTerminal ? 1 : 0);
    await ready;
    this.#ready.add(port);
  }

  /** A command will use these ports of the slot. Resolves when the guest has opened the first: it drops what comes earlier. */
  async use(slot: Slot, ports: readonly number[]): Promise<void> {
    slot.closed = ports.map((port) => this.#note(port, (op) => op === CONSOLE_NOTE.CLOSED));
    await this.#note(ports[0]!, (op) => op === CONSOLE_NOTE.OPENED);
  }

  /** The command is over: the slot is free when the guest has closed its ports, and nothing is left in them. */
  async release(slot: Slot): Promise<void> {
    await Promise.all(slot.closed);
    for (const port of slot.ports) {
      const discarded = this.#note(port, (op) => op === CONSOLE_NOTE.DISCARDED);
      this.#console.request(CONSOLE_REQUEST.DISCARD, port);
      await discarded;
      this.#console.takeOutput(port);
    }
    const next = this.#queues[slot.kind].shift();
    if (next) next(slot);
    else this.#free[slot.kind].unshift(slot);
  }

  /** Resolves at a note about a port that is awaited. */
  #note(port: number, heard: Heard): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(port, [...(this.#waiting.get(port) ?? []), { heard, resolve }]);
    });
  }

  #hear(op: number, port: number): void {
    const waiting = this.#waiting.get(port) ?? [];
    this.#waiting.set(
      port,
      waiting.filter(({ heard }) => !heard(op)),
    );
    for (const { heard, resolve } of waiting) if (heard(op)) resolve();
  }
}

function pipes(index: number): Slot {
  const first = 1 + index * PIPE_PORTS;
  return { kind: "pipes", index, ports: [first, first + 1, first + 2], closed: [] };
}

function terminal(index: number): Slot {
  return { kind: "terminal", index, ports: [FIRST_TERMINAL + index], closed: [] };
}
