import { type LeaveReason, Terminal } from "../backend/chardev/terminal.ts";
import { deferred } from "./deferred.ts";
import type { Machine } from "./machine.ts";

/**
 * Makes this process's standard input and output the machine's console until the machine ends, which is undefined, or the
 * user leaves: by Ctrl-A x ("escape"), or because nobody reads the output any more ("output-closed"). Then the machine is
 * stopped. A terminal is in raw mode for that time.
 */
export async function attachTerminal(
  machine: Pick<Machine, "console" | "exited" | "stop">,
): Promise<LeaveReason | undefined> {
  const left = deferred<LeaveReason>();
  const terminal = new Terminal({
    onInput: (bytes) => new Promise((resolve) => machine.console.write(bytes, () => resolve())),
    onLeave: (reason) => left.resolve(reason),
  });
  machine.console.on("error", () => {});
  try {
    const reason = await Promise.race([passOutput(machine.console, terminal), left.promise]);
    if (reason !== undefined) await machine.stop();
    return reason;
  } finally {
    terminal.close();
  }
}

async function passOutput(console: AsyncIterable<Uint8Array>, terminal: Terminal): Promise<undefined> {
  for await (const bytes of console) await terminal.write(bytes);
}
