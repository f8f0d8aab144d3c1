import { type BodySink, type EntryHandler, TarParser } from "./tar-parser.ts";

/** Reads a whole archive. Throws UserError for one that is damaged, and what the handler throws. */
export async function readTar(data: AsyncIterable<Uint8Array>, onEntry: EntryHandler): Promise<void> {
  const parser = new TarParser(onEntry);
  for await (const chunk of data) parser.push(chunk);
  parser.end();
}

/** Takes a small file whole. */
export function collect(done: (data: Buffer) => void): BodySink {
  const parts: Uint8Array[] = [];
  return { write: (data) => parts.push(data.slice()), end: () => done(Buffer.concat(parts)) };
}
