import { type Arch, resolveImage, UserError } from "tskvm";
import type { TestContext } from "vitest";

/** What a test with a real kernel needs. */
export interface Needed {
  /** The architecture's default image unless named. */
  readonly name?: string;
  /** Drivers for virtio devices. */
  readonly modules?: boolean;
}

/** Gets an image into the cache, or skips the test for want of it. */
export async function needImage(context: TestContext, arch: Arch, { name, modules }: Needed = {}): Promise<void> {
  const why = await resolveImage(name, { arch, modules }).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof UserError) return error.message;
      throw error;
    },
  );
  context.skip(why !== undefined, `no kernel for ${arch}: ${why}`);
}
