/** Checking who signed an archive's release file, with the machine's gpgv and apt's keys [apt-secure(8)]. */

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../base/assert.ts";

/** A release file's text and what stands behind it. */
export interface CheckedText {
  text: string;
  /** False if there was no gpgv or no key to check with. */
  signatureChecked: boolean;
}

/** What an archive is signed with. */
export interface Signed {
  /** An InRelease file, or a Release file if there is a detached signature. */
  data: Buffer;
  /** Release.gpg. */
  detached?: Buffer | undefined;
  /** Key files, fingerprints or an armored block; undefined means every key that apt trusts. */
  signedBy?: string | undefined;
  /** For messages. */
  url: string;
}

const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const CLEARSIGNED =
  /^-----BEGIN PGP SIGNED MESSAGE-----\r?\n[\s\S]*?\n\r?\n([\s\S]*?)\r?\n-----BEGIN PGP SIGNATURE-----/;

/** Whether the text carries a signature of its own. */
export function isClearsigned(data: Buffer): boolean {
  return data.subarray(0, 34).toString("latin1") === "-----BEGIN PGP SIGNED MESSAGE-----";
}

/** The text inside a clearsigned message, unchecked. */
export function clearsignedText(data: Buffer): string {
  return (CLEARSIGNED.exec(data.toString("utf8"))?.[1] ?? "").replace(/^- /gm, "");
}

/** Checks a signature. Throws a UserError if it is not one of a trusted key's; aptDirectory is normally /etc/apt. */
export async function checkSignature(signed: Signed, aptDirectory: string): Promise<CheckedText> {
  const directory = await mkdtemp(join(tmpdir(), "tskvm-"));
  try {
    const { keyrings, fingerprints } = await trustedKeys(signed.signedBy, aptDirectory, directory);
    const status = keyrings.length > 0 ? await runGpgv(signed, keyrings, directory) : undefined;
    if (status === undefined) return { text: textOf(signed), signatureChecked: false };
    requireGoodSignature(status, fingerprints, signed.url);
    const text = signed.detached ? textOf(signed) : await readFile(join(directory, "text"), "utf8");
    return { text, signatureChecked: true };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function textOf(signed: Signed): string {
  return signed.detached ? signed.data.toString("utf8") : clearsignedText(signed.data);
}

/** Runs gpgv and returns its status lines; undefined if there is no gpgv. */
async function runGpgv(signed: Signed, keyrings: string[], directory: string): Promise<string[] | undefined> {
  const data = join(directory, "data");
  const detached = join(directory, "detached");
  await writeFile(data, signed.data);
  if (signed.detached) await writeFile(detached, signed.detached);
  const files = signed.detached ? [detached, data] : ["--output", join(directory, "text"), data];
  const keys = keyrings.flatMap((path) => ["--keyring", path]);
  const args = ["--status-fd", "1", "--weak-digest", "SHA1", ...keys, ...files];
  return new Promise((resolve) => {
    execFile("gpgv", args, (error, stdout) => {
      if (error?.code === "ENOENT") resolve(undefined);
      else resolve(stdout.split("\n").map((line) => line.replace("[GNUPG:] ", "")));
    });
  });
}

/**
 * One good signature is enough: archives are also signed with keys that not every machine has.
 * GOODSIG precedes the VALIDSIG line that carries the fingerprints [GnuPG doc/DETAILS].
 */
function requireGoodSignature(status: readonly string[], fingerprints: readonly string[], url: string): void {
  const signers: string[][] = [];
  let good = false;
  for (const line of status) {
    const [keyword = "", ...fields] = line.split(" ");
    if (keyword === "GOODSIG") good = true;
    if (keyword === "NEWSIG" || keyword === "ERRSIG" || /^(BAD|EXP|EXPKEY|REVKEY)SIG$/.test(keyword)) good = false;
    if (keyword === "VALIDSIG" && good) signers.push(fields);
  }
  const wanted = signers.filter((s) => fingerprints.length === 0 || fingerprints.some((f) => s.includes(f)));
  const messages = status.filter((line) => line.startsWith("PLAINTEXT ")).length;
  if (wanted.length > 0 && messages <= 1 && !status.some((line) => line.startsWith("BADSIG"))) return;
  const unknown = status.find((line) => line.startsWith("NO_PUBKEY"))?.split(" ")[1];
  throw new UserError(
    `${url} is not signed by a key that this machine trusts for it${unknown ? ` (it is signed by ${unknown})` : ""}`,
    "Install debian-archive-keyring, or name the key: --mirror '[signed-by=/path/to/key.gpg] URL'.",
  );
}

interface TrustedKeys {
  keyrings: string[];
  fingerprints: string[];
}

async function trustedKeys(signedBy: string | undefined, aptDirectory: string, scratch: string): Promise<TrustedKeys> {
  if (signedBy?.includes("-----BEGIN"))
    return { keyrings: [await dearmor(signedBy, scratch, "block")], fingerprints: [] };
  const items = (signedBy ?? "").split(/[\s,]+/).filter((item) => item !== "");
  const paths = items.filter((item) => item.startsWith("/"));
  const fingerprints = items
    .filter((item) => !item.startsWith("/"))
    .map((item) => item.replace(/!$/, "").toUpperCase());
  const candidates = paths.length > 0 ? paths : await commonKeyrings(aptDirectory);
  const keyrings = await Promise.all(candidates.map((path, index) => usableKeyring(path, scratch, `key${index}`)));
  return { keyrings: keyrings.filter((path) => path !== undefined), fingerprints };
}

async function commonKeyrings(aptDirectory: string): Promise<string[]> {
  const parts = join(aptDirectory, "trusted.gpg.d");
  const names = await readdir(parts).catch(() => []);
  const added = names.filter((name) => /\.(gpg|asc)$/.test(name)).map((name) => join(parts, name));
  return [DEBIAN_KEYRING, join(aptDirectory, "trusted.gpg"), ...added];
}

/** gpgv reads binary keyrings only; undefined if the file is missing or empty. */
async function usableKeyring(path: string, scratch: string, name: string): Promise<string | undefined> {
  const data = await readFile(path).catch(() => undefined);
  if (!data?.length) return undefined;
  const armored = data.includes("-----BEGIN PGP PUBLIC KEY BLOCK-----");
  return armored ? dearmor(data.toString("latin1"), scratch, name) : path;
}

/** Decodes armor [RFC 4880 6.2]: headers, an empty line, base64, a checksum line. In deb822 an empty line is ".". */
async function dearmor(text: string, scratch: string, name: string): Promise<string> {
  const lines = text.split(/\r?\n/).map((line) => line.trim().replace(/^\.$/, ""));
  const start = lines.findIndex((line, index) => line === "" && lines[index - 1] !== "" && index > 0);
  const end = lines.findIndex((line) => line.startsWith("-----END"));
  const base64 = lines.slice(start + 1, end).filter((line) => !line.startsWith("="));
  const path = join(scratch, name);
  await writeFile(path, Buffer.from(base64.join(""), "base64"));
  return path;
}
