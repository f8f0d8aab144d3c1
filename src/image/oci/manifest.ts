/** Manifests, indexes and configurations of images [OCI image-spec; docker's image manifest v2, schema 2]. */

import { UserError } from "../../base/assert.ts";
import type { Arch } from "../catalog.ts";
import { DIGEST } from "./reference.ts";

/** Where a blob is, and what it must be. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export interface ImageManifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** What an image says of how it is run. */
export interface ImageConfig {
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** "", "name", "uid", "name:group" and the like. */
  readonly user: string;
  readonly workingDirectory: string;
  /** Digests of the layers when they are unpacked. */
  readonly diffIds: readonly string[];
}

/** What a client takes, in the words of the protocol. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;

const OCI_ARCHITECTURE: Readonly<Record<Arch, string>> = { amd64: "amd64", i386: "386" };
const LAYERS_MAXIMUM = 1000;
/** Layers that are somewhere else, as Windows images have them. */
const FOREIGN = /foreign|nondistributable/;

type Json = { readonly [key: string]: unknown };

/** Reads JSON that must be an object. Throws UserError; `what` names it. */
export function parseJson(data: Uint8Array, what: string): Json {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  } catch {
    // told below
  }
  throw malformed(what);
}

function malformed(what: string): UserError {
  return new UserError(`${what} is malformed`, "Make the image once more, or use another one.");
}

/** The manifest's own descriptor in an index for an architecture; undefined if `json` is no index. Throws UserError. */
export function chooseManifest(json: Json, arch: Arch, what: string): Descriptor | undefined {
  if (!Array.isArray(json.manifests)) return undefined;
  const entries = json.manifests as Json[];
  const platforms = entries.map((entry) => (entry?.platform ?? {}) as Json);
  const index = platforms.findIndex(
    ({ os, architecture }) => os === "linux" && architecture === OCI_ARCHITECTURE[arch],
  );
  const chosen =
    entries[index] ?? (entries.length === 1 && entries[0]?.platform === undefined ? entries[0] : undefined);
  if (chosen !== undefined) return descriptor(chosen, what);
  const there = platforms.map(({ os, architecture }) => `${os}/${architecture}`).join(", ");
  throw new UserError(
    `${what} has nothing for linux/${OCI_ARCHITECTURE[arch]}, only ${there}`,
    "Choose another image, or --arch.",
  );
}

/** A manifest of either kind. Throws UserError. */
export function parseManifest(json: Json, what: string): ImageManifest {
  if (json.schemaVersion === 1)
    throw new UserError(`${what} has a manifest of docker's old schema 1`, "Push it anew with a current client.");
  const { config, layers } = json;
  if (typeof config !== "object" || !Array.isArray(layers) || layers.length > LAYERS_MAXIMUM) throw malformed(what);
  const parsed = layers.map((layer) => descriptor(layer as Json, what));
  if (parsed.some(({ mediaType }) => FOREIGN.test(mediaType)))
    throw new UserError(`${what} has layers that are in no registry`, "Use another image.");
  return { config: descriptor(config as Json, what), layers: parsed };
}

function descriptor(json: Json, what: string): Descriptor {
  const { mediaType = "", digest, size } = json ?? {};
  const isRight = typeof mediaType === "string" && typeof digest === "string" && DIGEST.test(digest);
  if (!isRight || !Number.isSafeInteger(size) || (size as number) < 0) throw malformed(what);
  return { mediaType, digest, size: size as number };
}

/** An image's configuration. Throws UserError if it is not one for this architecture. */
export function parseConfig(data: Uint8Array, arch: Arch, what: string): ImageConfig {
  const json = parseJson(data, `the configuration of ${what}`);
  const { os = "linux", architecture = OCI_ARCHITECTURE[arch] } = json;
  if (os !== "linux" || architecture !== OCI_ARCHITECTURE[arch])
    throw new UserError(
      `${what} is for ${os}/${architecture}`,
      `Choose one for linux/${OCI_ARCHITECTURE[arch]}, or --arch.`,
    );
  const config = (json.config ?? {}) as Json;
  const rootfs = (json.rootfs ?? {}) as Json;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    env: texts(config.Env),
    entrypoint: texts(config.Entrypoint),
    cmd: texts(config.Cmd),
    user: text(config.User),
    workingDirectory: text(config.WorkingDir) || "/",
    diffIds: texts(rootfs.diff_ids),
  };
}

function texts(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === "string" && !item.includes("\0"))
    : [];
}
