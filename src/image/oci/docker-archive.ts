/** An archive that `docker save` or skopeo made: a tar with layers, configurations, and manifest.json [moby, image/spec]. */

import { createReadStream } from "node:fs";
import { posix } from "node:path";
import { UserError } from "../../base/assert.ts";
import type { Arch } from "../catalog.ts";
import { collect, readTar } from "../tar/read-tar.ts";
import type { BodySink, TarEntry } from "../tar/tar-parser.ts";
import type { FoundImage, ImageSource, LayerFile } from "./image-source.ts";
import { digestOf } from "./layout.ts";
import { parseConfig, parseJson } from "./manifest.ts";

const MANIFEST = "manifest.json";
const DOCUMENT_MAXIMUM = 1 << 20;

/** What is in the archive: where files are, and the small ones themselves. */
interface Contents {
  readonly files: ReadonlyMap<string, LayerFile>;
  readonly links: ReadonlyMap<string, string>;
  readonly documents: ReadonlyMap<string, Buffer>;
}

interface Item {
  readonly Config: string;
  readonly Layers: readonly string[];
  readonly RepoTags?: readonly string[] | null;
}

/** The image with a tag ("name:tag"), or the only one, of an archive. */
export function openDockerArchive(path: string, tag: string | undefined): ImageSource {
  const name = `docker-archive:${path}`;
  return { name, find: (arch) => find(path, tag, arch, name), close: async () => {} };
}

async function find(path: string, tag: string | undefined, arch: Arch, name: string): Promise<FoundImage> {
  const contents = await scan(path);
  const { Config, Layers } = choose(contents, tag, name);
  const config = contents.documents.get(posix.normalize(Config));
  if (config === undefined) throw incomplete(name, Config);
  return {
    digest: digestOf(config),
    config: parseConfig(config, arch, name),
    layers: async () => Layers.map((layer) => locate(contents, layer, name)),
  };
}

function choose(contents: Contents, tag: string | undefined, name: string): Item {
  const data = contents.documents.get(MANIFEST);
  if (data === undefined) throw incomplete(name, MANIFEST);
  const wrapped = Buffer.concat([Buffer.from('{"items":'), data, Buffer.from("}")]);
  const { items } = parseJson(wrapped, `${MANIFEST} in ${name}`);
  const all = (Array.isArray(items) ? items : []).filter(isItem);
  const fitting = tag === undefined ? all : all.filter(({ RepoTags }) => RepoTags?.includes(tag));
  if (fitting.length === 1) return fitting[0]!;
  const tags = all.flatMap(({ RepoTags }) => RepoTags ?? []).join(", ");
  throw new UserError(
    `${name} has ${fitting.length} images that fit`,
    `It has ${tags || "no names"}; choose one behind a colon.`,
  );
}

function isItem(value: unknown): value is Item {
  const { Config, Layers } = (value ?? {}) as Partial<Item>;
  return typeof Config === "string" && Array.isArray(Layers) && Layers.every((layer) => typeof layer === "string");
}

/** A layer's place; a layer that several images share is a link in old archives. */
function locate(contents: Contents, layer: string, name: string): LayerFile {
  const path = posix.normalize(layer);
  const target = contents.links.get(path) ?? path;
  const found = contents.files.get(target);
  if (found === undefined) throw incomplete(name, layer);
  return found;
}

function incomplete(name: string, file: string): UserError {
  return new UserError(`${name} lacks ${file}`, "Save it once more.");
}

async function scan(path: string): Promise<Contents> {
  const files = new Map<string, LayerFile>();
  const links = new Map<string, string>();
  const documents = new Map<string, Buffer>();
  const onEntry = (entry: TarEntry, start: number): BodySink | undefined => {
    const name = posix.normalize(entry.path);
    if (entry.kind === "symlink") links.set(name, posix.join(posix.dirname(name), entry.link));
    if (entry.kind !== "file") return undefined;
    files.set(name, { path, start, size: entry.size });
    const isDocument = entry.size <= DOCUMENT_MAXIMUM && (name.endsWith(".json") || name.startsWith("blobs/"));
    return isDocument ? collect((data) => documents.set(name, data)) : undefined;
  };
  try {
    await readTar(createReadStream(path, { highWaterMark: 1 << 20 }), onEntry);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`, "Check the path.", { cause: error });
  }
  return { files, links, documents };
}
