import { expect, test } from "vitest";
import { ChannelPort, createChannel, RingBackend } from "../backend/chardev/ring-backend.ts";
import { readCpio } from "../image/cpio.ts";
import { prepareExec } from "../image/exec-channel.ts";
import { followCommand } from "./guest-command.ts";

/** The guest's side of a followed command. */
function follow(command: string) {
  const channel = createChannel();
  const { channel: exec, initrd } = prepareExec(command, { stdin: true });
  const entry = readCpio(initrd).find(({ path }) => path.endsWith("/token"));
  const token = new TextDecoder().decode(entry?.data as Uint8Array).trim();
  const guest = new RingBackend(channel);
  let ends = 0;
  const followed = followCommand(new ChannelPort(channel, () => {}), exec, () => ends++);
  const print = (text: string) => {
    for (const byte of Buffer.from(text, "latin1")) guest.write(byte);
  };
  return { guest, token, followed, print, ends: () => ends };
}

const read = async (stream: AsyncIterable<Buffer>) => {
  let text = "";
  for await (const chunk of stream) text += chunk.toString("latin1");
  return text;
};

const settle = () => new Promise((resolve) => setTimeout(resolve, 10));

test("output between the marks is the command's, and the end mark its status", async () => {
  const { guest, token, followed, print, ends } = follow("true");
  print(`noise\x1etskvm-start ${token}\nout\xff\x1etskvm-exit ${token} 5\n`);
  expect(await followed.status).toBe(5);
  expect(ends()).toBeGreaterThan(0);
  guest.close();
  expect(await read(followed.stdio)).toBe("out\xff");
});

test("input waits until the command has started", async () => {
  const { guest, token, followed, print } = follow("cat");
  followed.stdio.end("hi\n");
  await settle();
  expect(guest.read()).toBe(-1);
  print(`\x1etskvm-start ${token}\n`);
  await settle();
  const received = [];
  for (let byte = guest.read(); byte >= 0; byte = guest.read()) received.push(byte);
  expect(received).toEqual([...Buffer.from("hi\n"), 4]);
  guest.close();
});

test("a guest that ends early leaves no status", async () => {
  const { guest, token, followed, print } = follow("sleep 9");
  print(`\x1etskvm-start ${token}\npart`);
  guest.close();
  expect(await read(followed.stdio)).toBe("part");
  expect(await followed.status).toBeUndefined();
});
