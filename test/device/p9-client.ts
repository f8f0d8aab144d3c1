import { P9Reader, P9Writer } from "../../src/backend/share/p9-message.ts";
import type { Responder } from "../../src/backend/share/responder.ts";
import { P9, P9_HEADER, P9_VERSION } from "../../src/spec/virtio/p9.ts";

/** A reply: its type, and its body to be read. */
export interface Reply {
  readonly type: number;
  readonly body: P9Reader;
}

export const NO_FID = 0xffff_ffff;
export const ROOT = 0;

/** Sends requests to a 9P server, as Linux does. */
export class P9Client {
  readonly #server: Responder;
  readonly #reply: Uint8Array;

  constructor(server: Responder) {
    this.#server = server;
    this.#reply = new Uint8Array(server.longest);
  }

  /** A request of any kind. */
  send(type: number, write: (request: P9Writer) => void): Reply {
    const bytes = new Uint8Array(70_000);
    const request = new P9Writer(bytes, P9_HEADER.BYTES);
    write(request);
    const length = request.at;
    request.at = 0;
    request.u32(length);
    request.u8(type);
    request.u16(1);
    const replied = this.#server.respond(bytes.subarray(0, length), this.#reply);
    return {
      type: this.#reply[P9_HEADER.TYPE]!,
      body: new P9Reader(this.#reply.subarray(0, replied), P9_HEADER.BYTES),
    };
  }

  /** The body of a reply without an error; throws the error's number. */
  ask(type: number, write: (request: P9Writer) => void): P9Reader {
    const { type: replied, body } = this.send(type, write);
    if (replied === P9.RLERROR) throw body.u32();
    if (replied !== type + 1) throw new Error(`reply ${replied} to request ${type}`);
    return body;
  }

  /** Agrees on the version; ROOT is the folder then. */
  attach(size = 65_536): void {
    this.ask(P9.TVERSION, (request) => {
      request.u32(size);
      request.string(Buffer.from(P9_VERSION));
    });
    this.ask(P9.TATTACH, (request) => {
      request.u32(ROOT);
      request.u32(NO_FID);
      request.string(Buffer.from("root"));
      request.string(Buffer.from(""));
      request.u32(0);
    });
  }

  /** How many of the names were walked; `to` is a fid if all were. */
  walk(from: number, to: number, ...names: string[]): number {
    const reply = this.ask(P9.TWALK, (request) => {
      request.u32(from);
      request.u32(to);
      request.u16(names.length);
      for (const name of names) request.string(Buffer.from(name));
    });
    return reply.u16();
  }

  open(fid: number, flags: number): void {
    this.ask(P9.TLOPEN, (request) => {
      request.u32(fid);
      request.u32(flags);
    });
  }

  create(fid: number, name: string, flags: number, mode = 0o644): void {
    this.ask(P9.TLCREATE, (request) => {
      request.u32(fid);
      request.string(Buffer.from(name));
      for (const value of [flags, mode, 0]) request.u32(value);
    });
  }

  read(fid: number, offset = 0, count = 4096): string {
    const reply = this.ask(P9.TREAD, (request) => {
      request.u32(fid);
      request.u64(offset);
      request.u32(count);
    });
    return Buffer.from(reply.bytes(reply.u32())).toString();
  }

  write(fid: number, text: string, offset = 0): number {
    const reply = this.ask(P9.TWRITE, (request) => {
      request.u32(fid);
      request.u64(offset);
      request.u32(text.length);
      request.bytes(text.length).set(Buffer.from(text));
    });
    return reply.u32();
  }

  /** Names in a directory, by as many requests as it takes. */
  names(fid: number, count = 100): string[] {
    const names: string[] = [];
    for (let offset = 0; ; ) {
      const reply = this.ask(P9.TREADDIR, (request) => {
        request.u32(fid);
        request.u64(offset);
        request.u32(count);
      });
      const length = reply.u32();
      if (length === 0) return names;
      for (let done = 0; done < length; ) {
        reply.bytes(13);
        offset = reply.u64();
        reply.u8();
        const name = reply.string();
        done += 24 + name.length;
        names.push(name.toString());
      }
    }
  }

  clunk(fid: number): void {
    this.ask(P9.TCLUNK, (request) => request.u32(fid));
  }

  /** A request of numbers of 32 bits and strings. */
  fields(type: number, ...fields: (number | string)[]): P9Reader {
    return this.ask(type, (request) => {
      for (const field of fields) {
        if (typeof field === "number") request.u32(field);
        else request.string(Buffer.from(field));
      }
    });
  }
}
