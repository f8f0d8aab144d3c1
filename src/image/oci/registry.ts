/** Images in a registry [OCI distribution-spec, "Pull"]. Their blobs are kept in the cache under their digests. */

import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../base/assert.ts";
import { inParallel } from "../../base/parallel.ts";
import { makeDirectory } from "../cache.ts";
import type { Arch } from "../catalog.ts";
import { downloadSmall, withDownload } from "../debian/download.ts";
import type { Progress } from "../progress.ts";
import type { FoundImage, ImageSource, LayerFile } from "./image-source.ts";
import { digestOf, hexOf } from "./layout.ts";
import { chooseManifest, type Descriptor, parseConfig, parseJson, parseManifest } from "./manifest.ts";
import { DIGEST, formatReference, type Reference } from "./reference.ts";
import { RegistryTransport, registryUrl } from "./registry-transport.ts";

/** Layers that are downloaded at the same time. */
const PARALLEL = 3;

export interface RegistryOptions {
  /** Where blobs are kept. */
  readonly blobs: string;
  readonly progress: Progress;
}

/** The image of a reference. */
export function openRegistry(reference: Reference, options: RegistryOptions): ImageSource {
  const pull = new RegistryPull(reference, options);
  return { name: formatReference(reference), find: (arch) => pull.find(arch), close: () => pull.close() };
}

class RegistryPull {
  readonly #reference: Reference;
  readonly #options: RegistryOptions;
  readonly #transport: RegistryTransport;
  readonly #name: string;

  constructor(reference: Reference, options: RegistryOptions) {
    this.#reference = reference;
    this.#options = options;
    this.#transport = new RegistryTransport(reference);
    this.#name = formatReference(reference);
  }

  async find(arch: Arch): Promise<FoundImage> {
    const first = await this.#manifest(this.#reference.version);
    const chosen = chooseManifest(parseJson(first, this.#name), arch, this.#name);
    const data = chosen ? await this.#manifest(chosen.digest) : first;
    const { config, layers } = parseManifest(parseJson(data, this.#name), this.#name);
    const configData = await this.#small(this.#url("blobs", config.digest), config.digest);
    return {
      digest: digestOf(data),
      config: parseConfig(configData, arch, this.#name),
      layers: () => this.#layers(layers),
    };
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #url(kind: "manifests" | "blobs", version: string): string {
    return new URL(`${this.#reference.repository}/${kind}/${version}`, registryUrl(this.#reference)).href;
  }

  /** A manifest by tag or digest; one asked for by its digest must have it. */
  #manifest(version: string): Promise<Buffer> {
    return this.#small(this.#url("manifests", version), DIGEST.test(version) ? version : undefined);
  }

  async #small(url: string, digest: string | undefined): Promise<Buffer> {
    const data = await downloadSmall(this.#transport, url);
    if (digest === undefined || digestOf(data) === digest) return data;
    throw new UserError(`${url} has not the digest that it was asked for by`, "Try again, or use another registry.");
  }

  async #layers(layers: readonly Descriptor[]): Promise<LayerFile[]> {
    await makeDirectory(this.#options.blobs);
    const files: LayerFile[] = [];
    await inParallel(layers, PARALLEL, async (layer, index) => {
      files[index] = await this.#layer(layer, `layer ${index + 1} of ${layers.length}`);
    });
    return files;
  }

  /** A blob in the cache has its digest: only what was checked gets its name. */
  async #layer({ digest, size }: Descriptor, label: string): Promise<LayerFile> {
    const path = join(this.#options.blobs, hexOf(digest));
    const found = await stat(path).catch(() => undefined);
    if (found?.size === size) return { path, start: 0, size };
    const promised = { urls: [this.#url("blobs", digest)], size, sha256: hexOf(digest), label };
    const { blobs, progress } = this.#options;
    await withDownload(this.#transport, promised, blobs, progress, (part) => rename(part, path));
    return { path, start: 0, size };
  }
}
