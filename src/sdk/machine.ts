import type { Duplex } from "node:stream";
import type { Worker } from "node:worker_threads";
import { SharedAlarm } from "../backend/alarm.ts";
import { ChannelPort, createChannel, type SharedChannel } from "../backend/chardev/ring-backend.ts";
import { UserError, unreachable } from "../base/assert.ts";
import type { RegionCounts } from "../engine/wasm/jit/region-cache.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import type { Image } from "../image/image.ts";
import { MachineControl, REQUEST } from "../machine/control.ts";
import type { MachineConfig } from "../machine/machine.ts";
import type { Outcome } from "../machine/outcome.ts";
import { Agent, type SpawnOptions } from "./agent.ts";
import { deferred } from "./deferred.ts";
import type { JitMode } from "./engine.ts";
import type { BootFiles } from "./files.ts";
import { followCommand, type GuestCommand } from "./guest-command.ts";
import type { GuestProcess } from "./guest-process.ts";
import { GuestStream } from "./guest-stream.ts";
import type { GuestNetwork } from "./network.ts";
import type { DiskOptions, ShareOptions } from "./options.ts";
import { type RemoteVcpu, type RunningVcpu, remoteVcpu } from "./running-vcpu.ts";
import { quoted } from "./shell-script.ts";
import type { WorkerError, WorkerMessage, WorkerSetup } from "./worker-protocol.ts";

const SHUTDOWN_MS = 10_000;
/** How long a machine that was told to stop may take before its thread is ended. */
const STOP_GRACE_MS = 1000;

export interface MachineStats {
  /** Which engine runs it. */
  readonly engine: "wasm" | "host";
  /** Guest instructions executed; undefined on the host engine, which does not count them. */
  readonly instructions: number | undefined;
  /** Since the machine began to run, in seconds of real time. */
  readonly seconds: number;
  /** What was compiled for the first vCPU, told when the machine has ended; undefined if nothing is compiled. */
  readonly regions?: RegionCounts | undefined;
}

/** What a machine is made of. */
interface MachineParts {
  readonly config: MachineConfig;
  readonly files: BootFiles;
  /** Without it the machine runs on the host engine. */
  readonly modules: WasmModules | undefined;
  readonly jit: JitMode;
  readonly disks: readonly DiskOptions[];
  readonly network: GuestNetwork | undefined;
  readonly shares: readonly ShareOptions[];
  /** Whether the guest has an agent. */
  readonly agent: boolean;
}

/** What a command in a running machine did. */
export interface CommandResult {
  /** Exit status; 128 + n if signal n ended the command. */
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A machine that runs in a thread of its own. `startMachine` makes one. */
export class Machine {
  /** The guest's first serial port, COM1: read its output, write its input. Unread output makes the guest wait. */
  readonly console: Duplex;
  /** The command that the guest runs, if it was given one. */
  readonly command: GuestCommand | undefined;
  /** Why the machine ended. It has been read to the end when its streams have ended too. Rejects if tskvm itself failed. */
  readonly exited: Promise<Outcome>;
  /** The image that it was booted from, if any. */
  readonly image: Image | undefined;
  /** Features of the CPU model that was named, which the engine lacks: the guest goes without. */
  missingFeatures: readonly string[] = [];
  /** Resolves when the kernel is loaded and the machine begins to run. */
  readonly #started = deferred<void>();
  readonly #end = deferred<Outcome>();
  readonly #worker: Worker;
  readonly #control = new MachineControl();
  readonly #alarm = new SharedAlarm();
  readonly #ports: ChannelPort[] = [];
  readonly #agent: Agent | undefined;
  #vcpu: RemoteVcpu | undefined;
  #stats: MachineStats;
  #startTime = 0;
  #regions: RegionCounts | undefined;

  private constructor(worker: Worker, parts: MachineParts) {
    const { config, files, modules, jit, disks, network, shares, agent } = parts;
    const console = createChannel();
    const command = files.exec && createChannel();
    this.#stats = { engine: modules ? "wasm" : "host", instructions: modules && 0, seconds: 0 };
    this.image = files.image;
    this.console = new GuestStream(this.#openPort(console));
    this.command = files.exec && followCommand(this.#openPort(command!), files.exec, () => this.#stopQuietly());
    this.#worker = worker;
    this.#agent = agent ? new Agent(() => this.#kick()) : undefined;
    this.#setUp({
      config,
      modules,
      jit,
      console,
      command,
      disks,
      network: network?.card,
      shares,
      agent: this.#agent?.shared,
    });
    network?.attach(() => this.#kick());
    this.exited = this.#end.promise;
    this.exited.then(this.#release, this.#release);
    void this.#alarm.serve(() => this.#kick());
  }

  /** Starts a machine in a thread that waits for its WorkerSetup; resolves when it runs. Throws UserError. */
  static async start(worker: Worker, parts: MachineParts): Promise<Machine> {
    const machine = new Machine(worker, parts);
    await Promise.race([machine.#started.promise, machine.exited]);
    return machine;
  }

  /** Switches the machine off, as pulling the plug does. */
  async stop(): Promise<Outcome> {
    this.#request(REQUEST.STOP);
    const timer = setTimeout(() => void this.#worker.terminate(), STOP_GRACE_MS);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Starts a shell command in the guest, which must have an agent; waits until the guest is up. Several run at once. Throws
   * UserError.
   */
  spawn(command: string, options?: SpawnOptions): Promise<GuestProcess> {
    return this.#withAgent().spawn(command, options);
  }

  /** Runs a shell command in the guest, `stdin` being its input. Throws UserError, also if the machine ends before it does. */
  async exec(command: string, options: CommandOptions = {}): Promise<CommandResult> {
    const { stdin, ...others } = options;
    const process = await this.spawn(command, { ...others, input: stdin !== undefined });
    process.stdin.on("error", () => {});
    process.stdin.end(stdin);
    const [stdout, stderr, status] = await Promise.all([
      readAll(process.stdout),
      readAll(process.stderr),
      process.status,
    ]);
    if (status === undefined) throw new UserError("the machine ended before the command did", "See its console.");
    return { status, stdout, stderr };
  }

  /** Writes a file in the guest. Throws UserError. */
  async writeFile(path: string, content: string | Uint8Array): Promise<void> {
    const { status, stderr } = await this.exec(`cat >${quoted(path)}`, { stdin: content });
    if (status !== 0) throw new UserError(`cannot write ${path} in the guest: ${lastLine(stderr)}`, "Check the path.");
  }

  /** Reads a file of the guest's. Throws UserError. */
  async readFile(path: string): Promise<Buffer> {
    const { status, stdout, stderr } = await this.exec(`cat ${quoted(path)}`);
    if (status !== 0) throw new UserError(`cannot read ${path} in the guest: ${lastLine(stderr)}`, "Check the path.");
    return stdout;
  }

  /** Has the guest's agent end all processes and switch the machine off; after `graceMs` the plug is pulled. */
  async shutDown(graceMs = SHUTDOWN_MS): Promise<Outcome> {
    void this.#agent?.shutDown();
    const timer = setTimeout(() => this.#stopQuietly(), this.#agent ? graceMs : 0);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Presses the power button: the guest hears of it and decides. */
  powerButton(): void {
    this.#request(REQUEST.POWER_BUTTON);
  }

  /** Presses the reset button. */
  reset(): void {
    this.#request(REQUEST.RESET);
  }

  /** What it has done so far, or did until its end. */
  stats(): MachineStats {
    if (this.#vcpu === undefined) return { ...this.#stats, regions: this.#regions };
    const seconds = (performance.now() - this.#startTime) / 1000;
    return { engine: this.#stats.engine, instructions: this.#vcpu.instructions(), seconds };
  }

  #withAgent(): Agent {
    if (this.#agent) return this.#agent;
    throw new UserError("the guest has no agent to run commands", "Start the machine with the option agent.");
  }

  /** What goes wrong is told by `exited`. */
  #stopQuietly(): void {
    this.stop().catch(() => {});
  }

  #openPort(channel: SharedChannel): ChannelPort {
    const port = new ChannelPort(channel, () => this.#kick());
    this.#ports.push(port);
    return port;
  }

  #setUp(setup: Omit<WorkerSetup, "alarm" | "control">): void {
    this.#worker.on("message", (message: WorkerMessage) => this.#onMessage(message));
    this.#worker.on("error", (error) => this.#end.reject(error));
    this.#worker.on("exit", () => this.#end.resolve({ kind: "stopped" }));
    const whole: WorkerSetup = { ...setup, alarm: this.#alarm.words, control: this.#control.words };
    this.#worker.postMessage(whole);
  }

  #onMessage(message: WorkerMessage): void {
    switch (message.type) {
      case "started":
        this.missingFeatures = message.missingFeatures;
        this.#begin(message.vcpu);
        break;
      case "ended":
        this.#regions = message.regions;
        this.#end.resolve(message.outcome);
        break;
      case "failed":
        this.#end.reject(asError(message.error));
        break;
      default:
        unreachable(message);
    }
  }

  #begin(vcpu: RunningVcpu): void {
    this.#vcpu = remoteVcpu(vcpu);
    this.#startTime = performance.now();
    this.#started.resolve();
    this.#kick();
  }

  /** Keeps the figures and lets the guest's memory go; what it has written can still be read. */
  readonly #release = () => {
    this.#stats = this.stats();
    this.#vcpu = undefined;
    this.#alarm.close();
    this.#agent?.close();
    for (const port of this.#ports) port.close();
  };

  #request(request: number): void {
    this.#control.request(request);
    this.#kick();
  }

  #kick(): void {
    this.#vcpu?.kick();
  }
}

/** How `Machine.exec` runs a command. */
export interface CommandOptions extends Omit<SpawnOptions, "input" | "terminal"> {
  /** What the command reads; nothing if not given. */
  readonly stdin?: string | Uint8Array | undefined;
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function lastLine(text: Buffer): string {
  return text.toString().trimEnd().split("\n").at(-1) ?? "";
}

function asError({ message, remedy, stack }: WorkerError): Error {
  if (remedy !== undefined) return new UserError(message, remedy);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
