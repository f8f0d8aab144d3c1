/** What a machine's process and its clients tell each other: frames of a kind[1], a length[4] and so many bytes. */

import type { Duplex } from "node:stream";

export const FRAME = {
  /** JSON: from the client a Request, then CommandEvents; from the process a Reply. */
  MESSAGE: 0,
  STDIN: 1,
  STDIN_END: 2,
  STDOUT: 3,
  STDERR: 4,
} as const;

const HEADER_BYTES = 5;
/** Larger frames are not sent, and end the connection. */
const LENGTH_MAXIMUM = 1 << 20;

/** Sends a frame; resolves when more can be sent. */
export async function sendFrame(to: Duplex, kind: number, bytes: Uint8Array = new Uint8Array(0)): Promise<void> {
  for (let at = 0; at === 0 || at < bytes.length; at += LENGTH_MAXIMUM) {
    const part = bytes.subarray(at, at + LENGTH_MAXIMUM);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(kind, 0);
    header.writeUInt32LE(part.length, 1);
    if (to.destroyed || to.write(Buffer.concat([header, part]))) continue;
    await new Promise<void>((resolve) => {
      to.once("drain", resolve);
      to.once("close", resolve);
    });
  }
}

/** Sends JSON. */
export function sendMessage(to: Duplex, message: object): Promise<void> {
  return sendFrame(to, FRAME.MESSAGE, Buffer.from(JSON.stringify(message)));
}

/** The frames that come, until the other side ends. */
export async function* readFrames(from: Duplex): AsyncGenerator<{ kind: number; bytes: Buffer }> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of from as AsyncIterable<Buffer>) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + held.readUInt32LE(1);
      if (end > HEADER_BYTES + LENGTH_MAXIMUM) return;
      if (held.length < end) break;
      yield { kind: held.readUInt8(0), bytes: held.subarray(HEADER_BYTES, end) };
      held = held.subarray(end);
    }
  }
}
