import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { FRAME, readFrames, sendFrame, sendMessage } from "./frames.ts";

async function received(stream: PassThrough) {
  const frames: [number, string][] = [];
  for await (const { kind, bytes } of readFrames(stream)) frames.push([kind, bytes.toString()]);
  return frames;
}

test("frames arrive as they were sent, however they are cut", async () => {
  const sent = new PassThrough();
  void sendMessage(sent, { op: "stats" });
  void sendFrame(sent, FRAME.STDIN, Buffer.from("input"));
  void sendFrame(sent, FRAME.STDIN_END);
  const bytes = sent.read() as Buffer;
  const cut = new PassThrough();
  const frames = received(cut);
  for (const byte of bytes) cut.write(Uint8Array.of(byte));
  cut.end();
  expect(await frames).toEqual([
    [FRAME.MESSAGE, '{"op":"stats"}'],
    [FRAME.STDIN, "input"],
    [FRAME.STDIN_END, ""],
  ]);
});

test("what is too long for a frame ends the connection", async () => {
  const stream = new PassThrough();
  stream.end(Buffer.from([FRAME.STDIN, 0xff, 0xff, 0xff, 0x7f, 1]));
  expect(await received(stream)).toEqual([]);
});
