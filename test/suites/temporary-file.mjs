// Files that a guest is given and that are gone afterwards.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * @template T
 * @param {string | Uint8Array} content
 * @param {(file: string) => Promise<T>} use is given the path of a file that holds the content
 * @returns {Promise<T>}
 */
export async function withFile(content, use) {
  const folder = mkdtempSync(join(tmpdir(), "tskvm-suites-"));
  try {
    const file = join(folder, "file");
    writeFileSync(file, content);
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
