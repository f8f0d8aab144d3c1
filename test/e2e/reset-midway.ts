import { type MachineOptions, startMachine } from "tskvm";

/**
 * Runs a guest that shows `once` and then waits for a ".": resets it when it has, and lets it go on when it has again.
 * Returns how it ended and all that it showed but for the ".".
 */
export async function resetMidway(options: MachineOptions, once: string) {
  const machine = await startMachine(options);
  let shown = "";
  machine.console.on("data", (chunk: Buffer) => {
    shown += chunk.toString("latin1");
    if (shown === once) machine.reset();
    if (shown === once + once) machine.console.write(".");
  });
  const outcome = await machine.exited;
  return { outcome, shown: shown.replace(".", "") };
}
