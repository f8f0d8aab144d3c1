/** A directory with an image, as skopeo and umoci make it [OCI image-spec, image-layout.md]. */

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../base/assert.ts";
import type { Arch } from "../catalog.ts";
import type { FoundImage, ImageSource, LayerFile } from "./image-source.ts";
import { chooseManifest, type Descriptor, parseConfig, parseJson, parseManifest } from "./manifest.ts";
import { DIGEST } from "./reference.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
/** Documents are small; layers are not read here. */
const DOCUMENT_MAXIMUM = 32 << 20;

interface IndexEntry {
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** The image with a tag, or the only one, of a layout in a directory. */
export function openLayout(directory: string, tag: string | undefined): ImageSource {
  const name = `oci:${directory}${tag === undefined ? "" : `:${tag}`}`;
  return { name, find: (arch) => find(directory, tag, arch, name), close: async () => {} };
}

async function find(directory: string, tag: string | undefined, arch: Arch, name: string): Promise<FoundImage> {
  const index = parseJson(await readIndex(directory), `${directory}/index.json`);
  const all = (Array.isArray(index.manifests) ? index.manifests : []) as IndexEntry[];
  const tagged = tag === undefined ? all : all.filter(({ annotations }) => annotations?.[REF_NAME] === tag);
  if (tagged.length === 0) throw noSuchTag(directory, tag, all);
  const only = tagged.length === 1 ? [{ ...tagged[0], platform: undefined }] : tagged;
  let chosen: Descriptor = chooseManifest({ manifests: only }, arch, name)!;
  let json = parseJson(await readBlob(directory, chosen), name);
  const inner = chooseManifest(json, arch, name);
  if (inner !== undefined) {
    chosen = inner;
    json = parseJson(await readBlob(directory, chosen), name);
  }
  const { config, layers } = parseManifest(json, name);
  return {
    digest: chosen.digest,
    config: parseConfig(await readBlob(directory, config), arch, name),
    layers: () => Promise.all(layers.map((layer) => layerFile(directory, layer))),
  };
}

async function readIndex(directory: string): Promise<Buffer> {
  return readFile(join(directory, "index.json")).catch((cause: unknown) => {
    throw new UserError(`${directory} holds no OCI image layout`, "It must have an index.json.", { cause });
  });
}

function noSuchTag(directory: string, tag: string | undefined, all: readonly IndexEntry[]): UserError {
  const tags = all.map(({ annotations }) => annotations?.[REF_NAME]).filter((each) => typeof each === "string");
  return new UserError(
    tag === undefined ? `${directory} holds no image` : `${directory} holds no image with the tag ${tag}`,
    tags.length > 0 ? `It has ${tags.join(", ")}.` : "",
  );
}

function blobPath(directory: string, digest: string): string {
  return join(directory, "blobs", ...digest.split(":"));
}

/** A small blob, which must have its digest. */
async function readBlob(directory: string, { digest, size }: Descriptor): Promise<Buffer> {
  const path = blobPath(directory, digest);
  const data = size > DOCUMENT_MAXIMUM ? undefined : await readFile(path).catch(() => undefined);
  if (data === undefined) throw new UserError(`${path} cannot be read`, "Make the layout once more.");
  if (digestOf(data) === digest) return data;
  throw new UserError(`${path} is not what its name says`, "Make the layout once more.");
}

/** Its digest is checked when it is unpacked, by that of what it holds. */
async function layerFile(directory: string, { digest, size }: Descriptor): Promise<LayerFile> {
  const path = blobPath(directory, digest);
  const found = await stat(path).catch(() => undefined);
  if (found?.size === size) return { path, start: 0, size };
  throw new UserError(`the layer ${path} is missing or cut off`, "Make the layout once more.");
}

/** "sha256:...". */
export function digestOf(data: Uint8Array): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** The hexadecimal part of a digest. */
export function hexOf(digest: string): string {
  if (!DIGEST.test(digest)) throw new UserError(`${digest} is no digest`, "");
  return digest.slice("sha256:".length);
}
