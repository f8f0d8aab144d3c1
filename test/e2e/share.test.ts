import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { needImage } from "./need-image.ts";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const BOOT_MS = 240_000;
const scratch = scratchDirectory();
const at = (name: string) => join(scratch.path, name);

test("a guest works in a folder of the host's, and only reads another", { timeout: BOOT_MS }, async (context) => {
  await needImage(context, "amd64", { name: "debian", modules: true });
  for (const name of ["work", "data here"]) mkdirSync(at(name));
  scratch.write("secret", "secret");
  scratch.write("data here/greeting", "hello\n");
  symlinkSync(at("secret"), at("work/secret"));
  const command = `cd /work && cat "/data here/greeting" && touch "/data here/new" 2>/dev/null || echo refused
    cp /bin/busybox . && ./busybox cat /init | cmp - /init && echo ran
    mkdir -p a/b && mv busybox a/b && ln a/b/busybox a/hard && ln -s ../x a/soft && readlink a/soft
    dd if=/dev/urandom of=big bs=100k count=30 2>/dev/null && md5sum <big >sum && sync && md5sum <big | cmp - sum && echo whole
    for n in $(seq 300); do echo $n >a/$n; done; ls a | wc -l; rm -r a; cat secret 2>&1`;
  const volumes = ["-v", `${at("work")}:/work`, "-v", `${at("data here")}:/data here:ro`];
  const { status, stdout, stderr } = await tskvm(["run", ...volumes, "--exec", command, "--timeout", "230"]);
  expect(stdout.split("\n")).toEqual([
    "hello",
    "refused",
    "ran",
    "../x",
    "whole",
    "303",
    `cat: can't open 'secret': No such file or directory`,
    "",
  ]);
  expect([status, stderr]).toEqual([1, ""]);
  expect([existsSync(at("work/a")), readFileSync(at("work/big")).length]).toEqual([false, 3_072_000]);
});

test("what cannot be shared is refused", async () => {
  const refused = async (...args: string[]) => (await tskvm(["run", ...args, "--exec", "true"])).stderr;
  expect(await refused("-v", `${at("nowhere")}:/x`)).toMatch(/nowhere does not exist/);
  expect(await refused("-v", `${at("secret")}:/x`)).toMatch(/is not a folder/);
  expect(await refused("--image", "debian-cloud", "-v", ".:/x")).toMatch(/cannot mount folders\n.*image debian\./);
});
