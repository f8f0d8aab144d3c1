/** Where an image comes from: a registry, a directory with an OCI layout, or an archive by `docker save`. */

import type { Arch } from "../catalog.ts";
import type { ImageConfig } from "./manifest.ts";

/** A layer's archive, packed or not, in a file or a part of one. */
export interface LayerFile {
  readonly path: string;
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

/** An image that was found. */
export interface FoundImage {
  /** Of its manifest or configuration, "sha256:...": what tells one image from another. */
  readonly digest: string;
  readonly config: ImageConfig;
  /** Gets the layers, the lowest one first. Throws UserError. */
  layers(): Promise<readonly LayerFile[]>;
}

export interface ImageSource {
  /** What messages call it. */
  readonly name: string;
  /** Finds the image for an architecture. Throws UserError. */
  find(arch: Arch): Promise<FoundImage>;
  close(): Promise<void>;
}
