import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, test } from "vitest";
import { needImage } from "./need-image.ts";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const BOOT_MS = 240_000;
const scratch = scratchDirectory();
const at = (name: string) => join(scratch.path, name);

/** A raw image with an ext4 file system that holds the file "greeting". */
function makeFileSystem(context: TestContext): string {
  mkdirSync(at("root"), { recursive: true });
  writeFileSync(at("root/greeting"), "hello\n");
  const made = spawnSync("mkfs.ext4", ["-q", "-F", "-d", at("root"), at("disk.raw"), "32M"]);
  context.skip(made.status !== 0, "needs mkfs.ext4 (Debian package e2fsprogs)");
  return at("disk.raw");
}

test("a guest keeps files on an overlay; the image under it stays", { timeout: BOOT_MS }, async (context) => {
  const raw = makeFileSystem(context);
  await needImage(context, "amd64", { modules: true });
  expect((await tskvm(["disk", "create", "-b", raw, at("work.qcow2")])).status).toBe(0);
  const command = `mount -t ext4 /dev/vda /mnt && cat /mnt/greeting && cat /sys/block/vda/serial && echo &&
    dd if=/dev/hwrng of=/mnt/random bs=1k count=512 2>/dev/null && md5sum </mnt/random >/mnt/sum && umount /mnt &&
    mount -t ext4 /dev/vda /mnt && md5sum </mnt/random | cmp - /mnt/sum && umount /mnt && echo kept`;
  const disk = `${at("work.qcow2")},serial=number-7`;
  const result = await tskvm(["run", "--disk", disk, "--exec", command, "--timeout", "230"]);
  expect(result).toEqual({ status: 0, stdout: "hello\nnumber-7\nkept\n", stderr: "" });
  expect((await tskvm(["disk", "check", at("work.qcow2")])).status).toBe(0);
  expect((await tskvm(["disk", "convert", "-f", "raw", at("work.qcow2"), at("after.raw")])).status).toBe(0);
  expect(spawnSync("e2fsck", ["-fn", at("after.raw")]).status).toBe(0);
  const before = spawnSync("debugfs", ["-R", "stat random", raw], { encoding: "utf8" });
  expect(before.stderr).toContain("File not found");
});
