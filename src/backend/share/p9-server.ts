import { closeSync } from "node:fs";
import { P9, P9_HEADER, P9_VERSION } from "../../spec/virtio/p9.ts";
import { Fids } from "./fids.ts";
import { directoryHandlers } from "./p9-directories.ts";
import { fileHandlers } from "./p9-files.ts";
import { P9Error, P9Reader, P9Writer } from "./p9-message.ts";
import type { P9Handler, P9Session } from "./p9-session.ts";
import { walkHandlers } from "./p9-walk.ts";
import type { Responder } from "./responder.ts";

/** Bytes of the longest message; it bounds how long one request keeps the machine's thread. */
const LONGEST = 512 * 1024;
const SHORTEST = 4096;

const HANDLERS: ReadonlyMap<number, P9Handler> = new Map([...walkHandlers, ...fileHandlers, ...directoryHandlers]);

/** Requests that change something, whatever they say. */
const CHANGES: ReadonlySet<number> = new Set([
  P9.TLCREATE,
  P9.TSYMLINK,
  P9.TSETATTR,
  P9.TLINK,
  P9.TMKDIR,
  P9.TRENAMEAT,
  P9.TUNLINKAT,
  P9.TWRITE,
]);

/** A server of 9P2000.L for one folder and one guest. */
export class P9Server implements Responder {
  readonly longest = LONGEST;
  readonly #session: P9Session;
  /** The longest message that was agreed upon. */
  #size = LONGEST;

  /** `root` is a descriptor of the folder, which belongs to the server. */
  constructor(root: number, readOnly: boolean) {
    this.#session = { root, readOnly, fids: new Fids() };
  }

  respond(request: Uint8Array, into: Uint8Array): number {
    const header = new DataView(request.buffer, request.byteOffset, P9_HEADER.BYTES);
    const type = header.getUint8(P9_HEADER.TYPE);
    const reply = new P9Writer(into.subarray(0, this.#size), P9_HEADER.BYTES);
    const error = this.#answer(type, new P9Reader(request, P9_HEADER.BYTES), reply);
    if (error !== 0) {
      reply.at = P9_HEADER.BYTES;
      reply.u32(error);
    }
    const length = reply.at;
    reply.at = 0;
    reply.u32(length);
    reply.u8(error === 0 ? type + 1 : P9.RLERROR);
    reply.u16(header.getUint16(P9_HEADER.TAG, true));
    return length;
  }

  reset(): void {
    this.#session.fids.clear();
    this.#size = LONGEST;
  }

  /** Gives all descriptors back. */
  close(): void {
    this.reset();
    closeSync(this.#session.root);
  }

  /** Writes the reply's body; returns the number of the error if there is one. */
  #answer(type: number, request: P9Reader, reply: P9Writer): number {
    try {
      if (this.#session.readOnly && CHANGES.has(type)) throw new P9Error("EROFS");
      if (type === P9.TVERSION) this.#version(request, reply);
      else handlerOf(type)(this.#session, request, reply);
      return 0;
    } catch (error) {
      return errnoOf(error as NodeJS.ErrnoException);
    }
  }

  /** Begins anew. [9p2000 version(5)] */
  #version(request: P9Reader, reply: P9Writer): void {
    const size = Math.min(request.u32(), LONGEST);
    const isKnown = request.string().toString() === P9_VERSION && size >= SHORTEST;
    this.reset();
    reply.u32(size);
    reply.string(Buffer.from(isKnown ? P9_VERSION : "unknown"));
    if (isKnown) this.#size = size;
  }
}

function handlerOf(type: number): P9Handler {
  const handler = HANDLERS.get(type);
  if (handler === undefined) throw new P9Error("EOPNOTSUPP");
  return handler;
}

/** An error of ours, of the host's, or of Node's for an argument that it does not take; any other is a defect. */
function errnoOf(error: NodeJS.ErrnoException): number {
  if (error instanceof P9Error) return error.errno;
  if (error.errno !== undefined) return Math.abs(error.errno);
  if (error.code !== undefined) return new P9Error("EINVAL").errno;
  throw error;
}
