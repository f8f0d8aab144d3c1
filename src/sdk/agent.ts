/** Commands in a running guest, by its agent. `src/image/guest-agent.ts` has the protocol. */

import { createConsole, HostConsole, type SharedConsole } from "../backend/console/console-link.ts";
import { UserError } from "../base/assert.ts";
import { escapeScript } from "../image/guest-agent.ts";
import { AGENT_PORTS, AgentSlots, CONTROL_PORT, type Slot } from "./agent-slots.ts";
import { deferred } from "./deferred.ts";
import { GuestProcess } from "./guest-process.ts";
import { type CommandSurroundings, shellScript } from "./shell-script.ts";

/** How a command runs in the guest. */
export interface SpawnOptions extends CommandSurroundings {
  /** Whether it reads `stdin`; without it its input is empty. */
  readonly input?: boolean | undefined;
  /** A terminal of this size instead of pipes. */
  readonly terminal?: { readonly rows: number; readonly columns: number } | undefined;
}

/** The host's side of a guest's agent. */
export class Agent {
  readonly shared: SharedConsole = createConsole(AGENT_PORTS);
  readonly #console: HostConsole;
  readonly #slots: AgentSlots;
  readonly #hello = deferred<void>();
  readonly #gone = deferred<undefined>();
  readonly #processes = new Map<number, { process: GuestProcess; started: (pid: number) => void }>();
  #next = 1;
  #closed = false;

  /** `kick` makes the machine look at what was sent. */
  constructor(kick: () => void) {
    this.#console = new HostConsole(this.shared, kick);
    this.#slots = new AgentSlots(this.#console);
    void this.#slots.show(CONTROL_PORT);
    void this.#listen();
  }

  /** Starts a shell command; waits until the guest is up. Throws UserError. */
  async spawn(command: string, options: SpawnOptions = {}): Promise<GuestProcess> {
    shellScript(command, options);
    await this.#hello.promise;
    this.#checkOpen();
    const slot = await Promise.race([this.#slots.acquire(options.terminal ? "terminal" : "pipes"), this.#gone.promise]);
    if (slot === undefined) return this.#checkOpen() as never;
    return this.#begin(slot, command, options);
  }

  /** Has the guest end its processes, write what it has to write, and switch off. */
  async shutDown(): Promise<void> {
    await this.#hello.promise;
    await this.#say("off");
  }

  /** The machine has ended. */
  close(): void {
    this.#closed = true;
    this.#console.close();
    this.#hello.resolve();
    this.#gone.resolve(undefined);
    for (const { process } of this.#processes.values()) process.finish(undefined);
  }

  #checkOpen(): void {
    if (this.#closed) throw new UserError("the machine has ended", "Start another one.");
  }

  #begin(slot: Slot, command: string, options: SpawnOptions): GuestProcess {
    const id = this.#next++;
    const pid = deferred<number>();
    const used = slot.kind === "terminal" || options.input ? slot.ports : slot.ports.slice(1);
    const process = new GuestProcess({
      console: this.#console,
      terminal: slot.kind === "terminal" ? slot.ports[0] : undefined,
      pipes: slot.kind === "pipes" ? (slot.ports as [number, number, number]) : undefined,
      inputReady: slot.kind === "pipes" ? this.#slots.use(slot, used) : pid.promise.then(() => {}),
      kill: (signal) => void pid.promise.then((number) => this.#say(`kill ${number} ${signal}`)),
    });
    this.#processes.set(id, { process, started: pid.resolve });
    void process.status.then(() => this.#end(id, slot));
    const [first, output, errors] = slot.ports;
    const how =
      slot.kind === "terminal"
        ? `tty ${id} ${slot.index} 0 0`
        : `run ${id} ${used.length === slot.ports.length ? first : 0} ${output} ${errors}`;
    void this.#say(`${how} ${scriptOf(id, command, options)}`);
    return process;
  }

  async #end(id: number, slot: Slot): Promise<void> {
    const entry = this.#processes.get(id)!;
    this.#processes.delete(id);
    // what it has written is read first: the slot drops what is left
    await Promise.all([entry.process.stdout, entry.process.stderr].map(ended));
    if (!this.#closed) await this.#slots.release(slot);
  }

  #say(line: string): Promise<void> {
    return this.#console.send(CONTROL_PORT, Buffer.from(`${line}\n`));
  }

  async #listen(): Promise<void> {
    for (let rest = ""; !this.#closed; ) {
      await this.#console.outputReady(CONTROL_PORT);
      const lines = (rest + Buffer.from(this.#console.takeOutput(CONTROL_PORT)).toString("latin1")).split("\n");
      rest = lines.pop()!.slice(-LINE_MAXIMUM);
      for (const line of lines) this.#hear(line);
    }
  }

  #hear(line: string): void {
    const [verb, id, value] = line.split(" ");
    if (verb === "hello") this.#hello.resolve();
    const entry = this.#processes.get(Number(id));
    if (verb === "pid") entry?.started(Number(value));
    if (verb === "exit") entry?.process.finish(Number(value) & 0xff);
  }
}

const LINE_MAXIMUM = 256;

/** Resolves when everything was read from a stream, or nobody will. */
function ended(stream: NodeJS.ReadableStream & { readonly readableEnded: boolean; readonly destroyed: boolean }) {
  if (stream.readableEnded || stream.destroyed) return undefined;
  return new Promise<void>((resolve) => {
    stream.once("end", resolve);
    stream.once("close", resolve);
  });
}

/** Tells its process ID, then becomes the command. */
function scriptOf(id: number, command: string, options: SpawnOptions): string {
  const { terminal } = options;
  const lines = [
    `printf 'pid ${id} %s\\n' "$$" >&3; exec 3>&-`,
    ...(terminal ? [`stty rows ${terminal.rows} cols ${terminal.columns}`] : []),
    shellScript(command, options),
  ];
  return escapeScript(lines.join("\n"));
}
