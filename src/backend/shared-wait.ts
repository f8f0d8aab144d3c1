type AsyncWait = { readonly async: boolean; readonly value: Promise<string> | string };
type WaitAsync = (cells: Int32Array, index: number, value: number) => AsyncWait;
const waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;

/** Without Atomics.waitAsync one looks again after this many milliseconds. */
const POLL_MS = 4;

/**
 * Resolves when another thread has notified `cells[index]`, or at once if it no longer holds `value`. Without
 * Atomics.waitAsync it resolves after a while, so the caller looks again in any case.
 */
export async function waitForNotify(cells: Int32Array, index: number, value: number): Promise<void> {
  if (waitAsync === undefined) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  else await waitAsync(cells, index, value).value;
}
