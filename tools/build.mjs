// npm run build: installs and builds what is missing or out of date; says nothing when there is nothing to do.
// Imports nothing but Node: it runs before anything is installed.
import { fileURLToPath } from "node:url";
import { install, isInstalled } from "./install.mjs";
import { withLock } from "./lock.mjs";
import { isUpToDate, runStep } from "./stamp.mjs";
import { steps } from "./steps.mjs";

const oldestNode = { major: 20, minor: 19 };

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > oldestNode.major || (major === oldestNode.major && minor >= oldestNode.minor)) return;
  const oldest = `${oldestNode.major}.${oldestNode.minor}`;
  throw new Error(`building needs Node ${oldest} or newer; ${process.execPath} is ${process.version}`);
}

/** Installs and builds what is missing or out of date. Throws with what failed. */
export async function build() {
  checkNode();
  if (isInstalled() && steps.every((step) => isUpToDate(step))) return;
  await withLock(async () => {
    if (!isInstalled()) await install();
    for (const step of steps) {
      if (isUpToDate(step)) continue;
      process.stderr.write(`tskvm: building ${step.name}\n`);
      await runStep(step);
    }
  });
}

/** Installs and builds what is missing or out of date; on failure says why and ends the process with status 1. */
export async function buildOrExit() {
  try {
    await build();
  } catch (error) {
    process.stderr.write(`tskvm: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildOrExit();
