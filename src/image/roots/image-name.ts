import { resolve } from "node:path";
import { UserError } from "../../base/assert.ts";
import { nearest } from "../../base/nearest.ts";
import { CATALOG } from "../catalog.ts";
import { parseReference, type Reference } from "../oci/reference.ts";

/** What the name of an image stands for. */
export type ImageName =
  | { readonly kind: "kernel"; readonly name: string }
  | { readonly kind: "debian"; readonly name: string; readonly suite: string }
  | { readonly kind: "registry"; readonly reference: Reference }
  | { readonly kind: "layout"; readonly path: string; readonly tag: string | undefined }
  | { readonly kind: "docker-archive"; readonly path: string; readonly tag: string | undefined };

/** An image with a root of its own. */
export type RootName = Exclude<ImageName, { readonly kind: "kernel" }>;

/** The Debian releases that we make roots of, by the names that people give them. */
const DEBIAN: Readonly<Record<string, string>> = { "12": "bookworm", bookworm: "bookworm" };

/**
 * Reads the name of an image: one of ours, "debian:12", "oci:DIRECTORY[:TAG]", "docker-archive:FILE[:TAG]", or a reference to a
 * registry. Without a registry "debian:12" is ours; docker.io/library/debian:12 is Docker Hub's. Throws UserError.
 */
export function parseImageName(text: string): ImageName {
  if (CATALOG.some(({ name }) => name === text)) return { kind: "kernel", name: text };
  const suite = /^debian:(.+)$/.exec(text)?.[1];
  if (suite !== undefined && Object.hasOwn(DEBIAN, suite))
    return { kind: "debian", name: "debian:12", suite: DEBIAN[suite]! };
  const local = /^(oci|docker-archive):(.*)$/s.exec(text);
  if (local) return localImage(local[1] as "oci" | "docker-archive", local[2]!);
  refuseMisspelt(text);
  return { kind: "registry", reference: parseReference(text) };
}

/** A name with nothing of a reference in it that is nearly one of ours is not looked for in a registry. */
function refuseMisspelt(text: string): void {
  if (/[/:@]/.test(text)) return;
  const names = CATALOG.map(({ name }) => name);
  const guess = nearest(text, names);
  if (guess !== undefined)
    throw new UserError(
      `unknown image "${text}"`,
      `Did you mean ${guess}? \`tskvm images\` lists them; one of a registry is docker.io/library/${text}.`,
    );
}

/** A tag stands behind the first colon, as skopeo has it. */
function localImage(scheme: "oci" | "docker-archive", rest: string): ImageName {
  const [path = "", tag] = rest.split(/:(.*)/s, 2) as [string, string | undefined];
  if (path === "") throw new UserError(`${scheme}: names no file`, `Write it like ${scheme}:PATH[:TAG].`);
  return { kind: scheme === "oci" ? "layout" : scheme, path: resolve(path), tag: tag || undefined };
}
