import {
  createCipheriv,
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type CpioEntry, concat, directory, file, symlink, writeCpio } from "../../src/image/cpio.ts";
import type { UnpackedFile } from "../../src/image/debian/deb.ts";
import { debianFiles } from "./debian-files.ts";
import { needImage } from "./need-image.ts";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const TIMEOUT_MS = 200_000;
const LIBRARIES = "lib/x86_64-linux-gnu";
const PACKAGES = {
  libc6: /^lib\/x86_64-linux-gnu\/(libc\.so\.6|ld-linux-x86-64\.so\.2)$/,
  libssl3: /^usr\/lib\/x86_64-linux-gnu\/lib(ssl|crypto)\.so\.3$/,
  openssl: /^usr\/bin\/openssl$/,
  coreutils: /^usr\/bin\/sha256sum$/,
};

/** AVX2 and BMI2 in CPUID.7:EBX, the second word of what OpenSSL knows of the processor. */
const AVX2_BMI2 = (1n << 5n) | (1n << 8n);

const scratch = scratchDirectory();
const data = Uint8Array.from({ length: 100_003 }, (_, n) => (n * 2654435761) >>> 24);
const key = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
const iv = Buffer.from("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "hex");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const pem = (of: typeof rsa) => of.export({ type: "pkcs8", format: "pem" });

/** Digests and ciphers by OpenSSL's names, which choose their code by CPUID. */
const DIGESTS = ["sha1", "sha256", "sha512", "sha3-256", "blake2b512", "md5"];
const CIPHERS = ["aes-256-ctr", "aes-128-cbc", "aes-256-cbc", "chacha20"];
const keyOf = (cipher: string) => key.subarray(0, cipher.includes("128") ? 16 : 32);

const INIT = `#!/bin/sh
export PATH=/opt:/bin
mount -a
say() { echo "== $1 $(shift; "$@" 2>&1 | tr '\\n' ' ')"; }
hashed() { openssl "$@" | openssl dgst -r -sha256; }
say loader /lib64/ld-linux-x86-64.so.2 --help
say isa sh -c '/lib64/ld-linux-x86-64.so.2 --list-diagnostics | grep isa_1'
say openssl openssl version -c
say coreutils sha256sum /data
${DIGESTS.map((name) => `say ${name} openssl dgst -r -${name} /data`).join("\n")}
${CIPHERS.map((name) => `say ${name} hashed enc -${name} -K ${keyOf(name).toString("hex")} -iv ${iv.toString("hex")} -in /data`).join("\n")}
say hmac openssl dgst -r -sha512 -hmac secret /data
say rsa sh -c 'openssl dgst -sha256 -sign /rsa.pem /data | openssl base64 -A'
say ec sh -c 'openssl dgst -sha256 -sign /ec.pem /data | openssl base64 -A'
say speed openssl speed -seconds 1 -bytes 1024 -mr -evp aes-128-gcm
say end true
poweroff -f
`;

/** The packages' files where the loader looks for them, with an /init and its data, over the image's own root. */
function overlay(files: readonly UnpackedFile[]): Uint8Array {
  const place = ({ path, data }: UnpackedFile): CpioEntry => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return file(path.includes("/bin/") ? `opt/${name}` : `${LIBRARIES}/${name}`, data, 0o755);
  };
  return writeCpio([
    ...["opt", "lib", LIBRARIES, "lib64"].map((path) => directory(path)),
    ...files.map(place),
    symlink("lib64/ld-linux-x86-64.so.2", `../${LIBRARIES}/ld-linux-x86-64.so.2`),
    file("data", data),
    file("rsa.pem", pem(rsa)),
    file("ec.pem", pem(ec)),
    file("init", INIT, 0o755),
  ]);
}

/** What the guest said, by name. */
function answersIn(console: string): Record<string, string> {
  return Object.fromEntries(Array.from(console.matchAll(/^== (\S+) (.*?)\s*$/gm), ([, name, text]) => [name, text]));
}

function encrypted(cipher: string): Buffer {
  const encryption = createCipheriv(cipher, keyOf(cipher), iv);
  return Buffer.concat([encryption.update(data), encryption.final()]);
}

test("Debian's C library and OpenSSL choose AVX2 in a guest, and compute what the host computes", {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const image = await needImage(context, "amd64");
  const files = await debianFiles(context, "amd64", PACKAGES);
  expect(files.length).toBe(6);
  const initrd = scratch.write("root.cpio", concat([readFileSync(image.initrd), overlay(files)]));
  const options = ["--cpu", "x86-64-v3", "--initrd", initrd, "--append", "quiet", "--timeout", "180"];
  const { stdout, stderr, status } = await tskvm(["run", ...options]);
  expect([status, stderr]).toEqual([0, ""]);
  const said = answersIn(stdout);
  expect(said).toHaveProperty("end");

  expect(said.loader).toMatch(/x86-64-v3 \(supported, searched\)/);
  expect(said.isa).toMatch(/0x7$/);
  expect(BigInt(/OPENSSL_ia32cap=0x[0-9a-f]+:(0x[0-9a-f]+)/.exec(said.openssl!)![1]!) & AVX2_BMI2).toBe(AVX2_BMI2);

  const digest = (name: string, of: Uint8Array = data) => createHash(name).update(of).digest("hex");
  expect(said.coreutils).toBe(`${digest("sha256")}  /data`);
  for (const name of DIGESTS) expect([name, said[name]]).toEqual([name, `${digest(name)} */data`]);
  for (const name of CIPHERS) expect([name, said[name]]).toEqual([name, `${digest("sha256", encrypted(name))} *stdin`]);
  expect(said.hmac).toBe(`${createHmac("sha512", "secret").update(data).digest("hex")} */data`);
  expect(said.rsa).toBe(sign("sha256", data, rsa).toString("base64"));
  expect(verify("sha256", data, createPublicKey(ec), Buffer.from(said.ec!, "base64"))).toBe(true);
  expect(said.speed).toMatch(/\+F:.*aes-128-gcm:\d+/i);
});
