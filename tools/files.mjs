// Small file helpers. Imports nothing but Node: it runs before anything is installed.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder, ending in a slash. */
export const root = fileURLToPath(new URL("../", import.meta.url));

const neverEntered = new Set(["node_modules", ".git", ".cache", "coverage"]);

/**
 * The files below a folder, as paths relative to the project, sorted.
 * @param {string} folder relative to the project
 * @param {(path: string) => boolean} [wanted]
 * @param {string} [base] the project's folder
 * @returns {string[]}
 */
export function filesBelow(folder, wanted = () => true, base = root) {
  if (!existsSync(join(base, folder))) return [];
  /** @type {string[]} */
  const found = [];
  for (const entry of readdirSync(join(base, folder), { withFileTypes: true })) {
    const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!neverEntered.has(entry.name)) found.push(...filesBelow(path, wanted, base));
    } else if (wanted(path)) found.push(path);
  }
  return found.sort();
}

/**
 * A hash over the names and contents of files. Contents, not times: a checkout or a copy changes times only.
 * @param {string[]} paths relative to the project
 * @param {string} [base] the project's folder
 */
export function fingerprint(paths, base = root) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const content = existsSync(join(base, path)) ? readFileSync(join(base, path)) : undefined;
    hash.update(`${path}\0${content?.length ?? "absent"}\0`);
    if (content) hash.update(content);
  }
  return hash.digest("hex");
}
