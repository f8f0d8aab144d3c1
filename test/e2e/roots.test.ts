import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resolveImage } from "tskvm";
import { expect, onTestFinished, type TestContext, test } from "vitest";
import { parseImageName } from "../../src/image/roots/image-name.ts";
import { removeRoot } from "../../src/image/roots/manage.ts";
import { resolveRoot } from "../../src/image/roots/resolve.ts";
import { needImage } from "./need-image.ts";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const BOOT_MS = 300_000;
const DEBIAN_MS = 3_600_000;
const scratch = scratchDirectory();
const at = (...names: string[]) => join(scratch.path, ...names);
const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

/** An OCI layout whose only layer is a static busybox, made with tar alone. */
async function busyboxLayout(context: TestContext): Promise<string> {
  await needImage(context, "amd64", { modules: true });
  const { kernel } = await resolveImage("debian-cloud");
  const busybox = spawnSync("sh", ["-c", `ls "$(dirname ${kernel})"/busybox-*`], { encoding: "utf8" }).stdout.trim();
  mkdirSync(at("tree/bin"), { recursive: true });
  mkdirSync(at("tree/etc"), { recursive: true });
  mkdirSync(at("layout/blobs/sha256"), { recursive: true });
  const install = `cp ${busybox} bin/busybox && chmod 755 bin/busybox && for name in sh cat id env pwd ls mount; do ln -s busybox bin/$name; done`;
  expect(spawnSync("sh", ["-c", install], { cwd: at("tree") }).status).toBe(0);
  writeFileSync(at("tree/etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\n");
  writeFileSync(at("tree/etc/group"), "app:x:1000:\nextra:x:2000:app\n");
  const layer = spawnSync("tar", ["-cf", "-", "-C", at("tree"), "--owner=0", "--group=0", "."], {
    maxBuffer: 1 << 26,
  }).stdout;
  const put = (data: Uint8Array, mediaType: string) => {
    writeFileSync(at("layout/blobs/sha256", sha256(data)), data);
    return { mediaType, digest: `sha256:${sha256(data)}`, size: data.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const run = {
    Entrypoint: ["/bin/sh", "-c"],
    Cmd: ["echo default"],
    User: "app",
    WorkingDir: "/app/dir",
    Env: ["GREETING=hello"],
  };
  const configuration = {
    os: "linux",
    architecture: "amd64",
    config: run,
    rootfs: { diff_ids: [`sha256:${sha256(layer)}`] },
  };
  const config = put(json(configuration), "application/vnd.oci.image.config.v1+json");
  const layers = [put(layer, "application/vnd.oci.image.layer.v1.tar")];
  const manifest = put(json({ schemaVersion: 2, config, layers }), "application/vnd.oci.image.manifest.v1+json");
  writeFileSync(at("layout/index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return `oci:${at("layout")}`;
}

test("an image's program runs in its root, as its user, with its environment; its disk can be kept", {
  timeout: 3 * BOOT_MS,
}, async (context) => {
  const image = await busyboxLayout(context);
  const name = parseImageName(image) as Parameters<typeof resolveRoot>[0];
  const base = await resolveRoot(name);
  onTestFinished(async () => void (await removeRoot(name)));
  const before = [statSync(base.disk).mtimeMs, sha256(readFileSync(base.disk))];
  const script = 'id; pwd; echo "$GREETING $OTHER"; cat /etc/hosts | head -n 1; [ -r /etc/resolv.conf ] && cat; exit 5';
  const options = ["--timeout", "280", "-e", "OTHER=world"];
  const first = await tskvm(["run", ...options, image, script], { input: "from outside" });
  const identity = "uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)";
  expect(first.stderr).toBe("");
  expect([first.status, first.stdout]).toEqual([
    5,
    `${identity}\n/app/dir\nhello world\n127.0.0.1 localhost\nfrom outside`,
  ]);

  const kept = ["--root-disk", at("kept.qcow2"), "-u", "0", "-w", "/", "--network", "none", "--timeout", "280"];
  const written = await tskvm(["run", ...kept, image, "echo kept >/file; ls /sys/class/net"]);
  expect(written).toEqual({ status: 0, stdout: "lo\n", stderr: "" });
  const read = await tskvm(["run", ...kept, "--entrypoint", "/bin/cat", image, "/file", "/none"]);
  expect([read.status, read.stdout]).toEqual([1, "kept\ncat: can't open '/none': No such file or directory\n"]);
  expect([statSync(base.disk).mtimeMs, sha256(readFileSync(base.disk))]).toEqual(before);
});

test("debian:12 has dpkg and apt, and installs a package through the network", {
  timeout: DEBIAN_MS,
}, async (context) => {
  await needImage(context, "amd64", { modules: true });
  const script =
    "dpkg --audit && cat /etc/debian_version && apt-get update -q && apt-get install -qy --no-install-recommends hello && hello";
  const result = await tskvm(["run", "-m", "1G", "debian:12", "sh", "-c", script]);
  context.skip(/cannot read from|no Debian archive/.test(result.stderr), `no archive: ${result.stderr}`);
  expect([result.status, result.stdout]).toEqual([
    0,
    expect.stringMatching(/^12\.\d+\n[\s\S]*Setting up hello[\s\S]*\nHello, world!\n$/),
  ]);
});
