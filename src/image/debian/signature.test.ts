import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkSignature, clearsignedText, isClearsigned } from "./signature.ts";

const TEXT = "Suite: x\n- dashed\nSHA256:\n";

test("the text of a clearsigned message", () => {
  const message = Buffer.from(
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nA: 1\n- - b\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n",
  );
  expect(isClearsigned(message)).toBe(true);
  expect(clearsignedText(message)).toBe("A: 1\n- b");
  expect(isClearsigned(Buffer.from("A: 1\n"))).toBe(false);
});

function available(tool: string): boolean {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const usable = available("gpg") && available("gpgv");

describe("signatures", () => {
  let home: string;
  let keyring: string;
  let stranger: string;
  let armored: string;
  let fingerprint: string;
  let signed: Buffer;
  let detached: Buffer;

  const gpg = (args: string[], input = "") => {
    const common = ["--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
    return execFileSync("gpg", [...common, ...args], { input, stdio: ["pipe", "pipe", "ignore"] });
  };

  beforeEach((context) => context.skip(!usable, "gpg and gpgv are not installed"));

  beforeAll(() => {
    if (!usable) return;
    home = mkdtempSync(join(tmpdir(), "tskvm-test-"));
    for (const user of ["archive@example.org", "stranger@example.org"]) {
      gpg(["--quick-generate-key", user, "ed25519", "sign", "never"]);
    }
    [keyring, stranger] = ["archive", "stranger"].map((user) => {
      const path = join(home, `${user}.gpg`);
      writeFileSync(path, gpg(["--export", `${user}@example.org`]));
      return path;
    }) as [string, string];
    armored = gpg(["--armor", "--export", "archive@example.org"]).toString();
    fingerprint = /^fpr:+([0-9A-F]+):/m.exec(
      gpg(["--with-colons", "--fingerprint", "archive@example.org"]).toString(),
    )![1]!;
    signed = gpg(["--local-user", "archive@example.org", "--clearsign"], TEXT);
    detached = gpg(["--local-user", "archive@example.org", "--armor", "--detach-sign"], TEXT);
  });

  afterAll(() => {
    if (!usable) return;
    execFileSync("gpgconf", ["--homedir", home, "--kill", "all"]);
    rmSync(home, { recursive: true });
  });

  const check = (signedBy: string, data = signed, signature?: Buffer) =>
    checkSignature({ data, detached: signature, signedBy, url: "http://h/InRelease" }, join(home, "no-apt"));

  test("of a key in a keyring file", async () => {
    expect(await check(keyring)).toEqual({ text: TEXT, signatureChecked: true });
  });

  test("of an armored key in a file or in the source itself", async () => {
    const path = join(home, "key.asc");
    writeFileSync(path, armored);
    expect((await check(path)).signatureChecked).toBe(true);
    expect((await check(`\n${armored.replace(/^$/gm, ".")}`)).signatureChecked).toBe(true);
  });

  test("beside the text", async () => {
    expect(await check(keyring, Buffer.from(TEXT), detached)).toEqual({ text: TEXT, signatureChecked: true });
    await expect(check(keyring, Buffer.from(`${TEXT} `), detached)).rejects.toThrow(/not signed by a key/);
  });

  test("of a key with a given fingerprint, and no other", async () => {
    expect((await check(`${keyring}, ${fingerprint}`)).signatureChecked).toBe(true);
    await expect(check(`${keyring}, ${"A".repeat(40)}`)).rejects.toThrow(/not signed by a key/);
  });

  test("another's key, or a changed text, is refused", async () => {
    await expect(check(stranger)).rejects.toThrow(/not signed by a key that this machine trusts/);
    const changed = Buffer.from(signed.toString().replace("Suite: x", "Suite: y"));
    await expect(check(keyring, changed)).rejects.toThrow(/not signed by a key/);
  });

  test("text around the signed message is not taken", async () => {
    const result = await check(keyring, Buffer.concat([signed, Buffer.from("Suite: evil\n")])).catch(() => undefined);
    expect(result?.text ?? "").not.toContain("evil");
  });

  test("a missing key file means that hashes alone count, and it is said", async () => {
    expect(await check("/nonexistent.gpg")).toMatchObject({ signatureChecked: false });
  });
});
