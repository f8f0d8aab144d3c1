/**
 * The program that starts another one in a root: an executable made for the purpose, because nothing in a root, nor a
 * shell with its quoting, can be relied upon. It goes into the root, to the directory, becomes the user, and is replaced by the
 * program. Its instructions are a straight line of system calls with constants.
 */

import { CODE, ELF32, SYSCALL } from "../../spec/linux-i386.ts";

export interface Launch {
  /** Where the root is mounted. */
  readonly root: string;
  /** In the root; made if it is missing. */
  readonly directory: string;
  readonly uid: number;
  readonly gid: number;
  /** Further groups. */
  readonly groups: readonly number[];
  /** The program and its arguments. A program without a slash is looked for in the PATH of `env`. */
  readonly words: readonly string[];
  /** NAME=VALUE. */
  readonly env: readonly string[];
}

/** As docker ends: its own failure, a program that cannot be run, one that is not there. */
const STATUS = { failed: 125, cannotRun: 126, notFound: 127 } as const;
const EACCES = 13;
const STANDARD_ERROR = 2;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The executable file. */
export function buildLauncher(launch: Launch): Uint8Array {
  const { root, directory, uid, gid, groups, words } = launch;
  const program = words[0] ?? "";
  const image = new Image();
  const fail = (message: string, status: number) => () => image.fail(message, status);
  image.call([SYSCALL.chroot, image.text(root)], fail("the root cannot be entered", STATUS.failed));
  image.call([SYSCALL.chdir, image.text("/")]);
  for (const path of parentsOf(directory)) image.call([SYSCALL.mkdir, image.text(path), 0o755]);
  image.call([SYSCALL.chdir, image.text(directory)], fail(`cannot go to ${directory}`, STATUS.cannotRun));
  const list = image.words(groups);
  const refused = fail("cannot become the user", STATUS.failed);
  image.call([SYSCALL.setgroups, groups.length, list], refused);
  image.call([SYSCALL.setgid, gid], refused);
  image.call([SYSCALL.setuid, uid], refused);
  const env = image.pointers(launch.env);
  const argv = image.pointers(words);
  for (const path of candidates(program, launch.env)) {
    image.call([SYSCALL.execve, image.text(path), argv, env]);
    image.ifEqual(-EACCES, fail(`${path}: permission denied`, STATUS.cannotRun));
  }
  image.fail(`${program}: cannot be run, or is not there`, STATUS.notFound);
  return image.file();
}

/** "/a", "/a/b" for "/a/b". */
function parentsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

function candidates(program: string, env: readonly string[]): string[] {
  if (program.includes("/")) return [program];
  const path = env.find((each) => each.startsWith("PATH="))?.slice("PATH=".length) || DEFAULT_PATH;
  return path.split(":").map((directory) => `${directory || "."}/${program}`);
}

/** Code that grows, with data behind it whose addresses it names. */
class Image {
  readonly #code: number[] = [];
  readonly #data: number[] = [];
  /** Places in the code that hold an offset in the data, to which the data's address is added at the end. */
  readonly #places: number[] = [];
  /** Places in the data that do. */
  readonly #dataPlaces: number[] = [];

  /** Text ending in a zero byte. */
  text(text: string): DataAddress {
    return this.#put([...new TextEncoder().encode(text), 0]);
  }

  words(values: readonly number[]): DataAddress {
    return this.#put(values.flatMap(littleEndian));
  }

  /** An array of texts, ending in a null pointer. */
  pointers(texts: readonly string[]): DataAddress {
    const addresses = texts.map((text) => this.text(text).offset);
    const array = this.words([...addresses, 0]);
    for (const index of addresses.keys()) this.#dataPlaces.push(array.offset + 4 * index);
    return array;
  }

  /** A system call with its arguments; `onFailure` adds code for when it fails. */
  call([number, ...values]: [number, ...(number | DataAddress)[]], onFailure?: () => void): void {
    values.forEach((value, index) => {
      this.#code.push(CODE.movArgument[index]!);
      if (typeof value === "object") this.#places.push(this.#code.length);
      this.#code.push(...littleEndian(typeof value === "object" ? value.offset : value));
    });
    this.#code.push(CODE.movEax, ...littleEndian(number), ...CODE.int80);
    if (onFailure) this.#over(CODE.jumpIfSuccess, onFailure);
  }

  /** Code for when the last call gave this value. */
  ifEqual(value: number, then: () => void): void {
    this.#code.push(CODE.compareEax, ...littleEndian(value));
    this.#over(CODE.jumpIfNotEqual, then);
  }

  fail(message: string, status: number): void {
    const line = `tskvm: ${message}\n`;
    this.call([SYSCALL.write, STANDARD_ERROR, this.text(line), new TextEncoder().encode(line).length]);
    this.call([SYSCALL.exit, status]);
  }

  file(): Uint8Array {
    const start = ELF32.headerSize + ELF32.programHeaderSize;
    const size = start + this.#code.length + this.#data.length;
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    putHeaders(bytes, ELF32.base + start, size);
    bytes.set(this.#code, start);
    bytes.set(this.#data, start + this.#code.length);
    const dataStart = start + this.#code.length;
    const places = [...this.#places.map((at) => start + at), ...this.#dataPlaces.map((at) => dataStart + at)];
    for (const at of places) view.setUint32(at, ELF32.base + dataStart + view.getUint32(at, true), true);
    return bytes;
  }

  #put(bytes: readonly number[]): DataAddress {
    while (this.#data.length % 4 !== 0) this.#data.push(0);
    const offset = this.#data.length;
    for (const byte of bytes) this.#data.push(byte);
    return { offset };
  }

  /** A jump over what `then` adds. */
  #over(jump: readonly number[], then: () => void): void {
    this.#code.push(...jump, 0, 0, 0, 0);
    const at = this.#code.length;
    then();
    this.#code.splice(at - 4, 4, ...littleEndian(this.#code.length - at));
  }
}

/** A place in the data. */
interface DataAddress {
  readonly offset: number;
}

function littleEndian(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

function putHeaders(bytes: Uint8Array, entry: number, size: number): void {
  const view = new DataView(bytes.buffer);
  bytes.set(ELF32.ident);
  view.setUint16(16, ELF32.executable, true);
  view.setUint16(18, ELF32.machine386, true);
  view.setUint32(20, 1, true); // version
  view.setUint32(24, entry, true);
  view.setUint32(28, ELF32.headerSize, true); // where program headers are
  view.setUint16(40, ELF32.headerSize, true);
  view.setUint16(42, ELF32.programHeaderSize, true);
  view.setUint16(44, 1, true); // program headers
  const fields = [ELF32.load, 0, ELF32.base, ELF32.base, size, size, ELF32.flagsAll, 0x1000];
  fields.forEach((field, index) => {
    view.setUint32(ELF32.headerSize + 4 * index, field, true);
  });
}
