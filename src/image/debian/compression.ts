/** Decompression by a file name's suffix, streaming. */

import { pipeline, Readable, Transform } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { createGunzip } from "node:zlib";
import { Decompress as ZstdDecompress } from "fzstd";
import xz from "xz-decompress";

/** The plain bytes of a stream compressed with .xz, .gz or .zst; an empty suffix means it is plain. */
export function decompress(input: Readable, suffix: string): AsyncIterable<Uint8Array> {
  if (suffix === ".xz") return unxz(input);
  if (suffix === ".gz") return pipeline(input, createGunzip(), ignoreHere);
  if (suffix === ".zst") return pipeline(input, unzstd(), ignoreHere);
  if (suffix === "") return input;
  throw new Error(`unknown compression "${suffix}"`);
}

/** Whoever reads the end of the pipeline gets its error. */
function ignoreHere(): void {}

function unxz(input: Readable): AsyncIterable<Uint8Array> {
  const plain = new xz.XzReadableStream(Readable.toWeb(input) as globalThis.ReadableStream<Uint8Array>);
  return plain as unknown as ReadableStream<Uint8Array>;
}

function unzstd(): Transform {
  const transform = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      attempt(() => decoder.push(chunk), done);
    },
    flush(done) {
      attempt(() => decoder.push(new Uint8Array(0), true), done);
    },
  });
  const decoder = new ZstdDecompress((plain) => transform.push(plain));
  return transform;
}

/** Runs a step of a stream, whose exception is the stream's error. */
function attempt(step: () => void, done: (error?: Error) => void): void {
  try {
    step();
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}
