import { type Arch, type Image, resolveImage, UserError } from "tskvm";
import type { TestContext } from "vitest";

/** What a test with a real kernel needs. */
export interface Needed {
  /** The architecture's default image unless named. */
  readonly name?: string;
  /** Drivers for virtio devices. */
  readonly modules?: boolean;
}

/** Gets an image into the cache, or skips the test for want of it. */
export async function needImage(context: TestContext, arch: Arch, { name, modules }: Needed = {}): Promise<Image> {
  const image = await resolveImage(name, { arch, modules }).catch((error: unknown) => {
    if (error instanceof UserError) return error;
    throw error;
  });
  context.skip(image instanceof UserError, `no kernel for ${arch}: ${image instanceof UserError ? image.message : ""}`);
  return image as Image;
}
