import { HostEngine } from "../../src/engine/host/engine.ts";

/** Why the host engine cannot be had on this machine; undefined if it can. */
export const hostObstacle = obstacle();

function obstacle(): string | undefined {
  try {
    new HostEngine().close();
    return undefined;
  } catch (error) {
    return `not on this machine: ${error instanceof Error ? error.message : error}`;
  }
}
