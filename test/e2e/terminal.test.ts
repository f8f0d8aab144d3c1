import { spawn, spawnSync } from "node:child_process";
import { expect, type TestContext, test } from "vitest";
import { echoUntil, print, program } from "../guest/programs.ts";
import { BIN, finished, scratchDirectory } from "./tskvm.ts";

const files = scratchDirectory();
const echo = files.write("echo", program(print("ready"), echoUntil("\0")));
const SHELL_LINE = `"${process.execPath}" "${BIN}" run -m 64M --timeout 15 --kernel "${echo}"`;

/** script(1) of util-linux gives a program a terminal. */
const hasScript = spawnSync("script", ["--version"]).stdout?.toString().includes("util-linux") ?? false;

interface Dialog {
  /** Once this is on the screen... */
  readonly seen: string;
  /** ...this is typed. */
  readonly type: string;
}

/** Runs a shell command on a terminal and types into it; returns all that the terminal showed. */
async function onTerminal(command: string, dialog: readonly Dialog[]): Promise<string> {
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    stdio: "pipe",
    env: { ...process.env, SHELL: "/bin/sh" },
  });
  const waiting = [...dialog];
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString("latin1");
    while (waiting[0] && shown.includes(waiting[0].seen)) child.stdin.write(waiting.shift()!.type, "latin1");
  });
  const { stdout } = await finished(child);
  return stdout;
}

function needScript(context: TestContext): void {
  context.skip(!hasScript, "there is no script(1) of util-linux to make a terminal with");
}

test("keys reach the guest raw, Ctrl-C too; Ctrl-A x leaves with status 0 and a terminal as it was", async (context) => {
  needScript(context);
  const command = `stty -a >${files.path}/before; ${SHELL_LINE}; echo "status $?"; stty -a | cmp - ${files.path}/before && echo same`;
  const screen = await onTerminal(command, [
    { seen: "ready", type: "\x03k" },
    { seen: "\x03k", type: "\x01h" },
    { seen: "send Ctrl-A to the guest", type: "\x01x" },
  ]);
  expect(screen).toContain("Ctrl-A x leaves");
  expect(screen).toMatch(/status 0\r\nsame\r\n/);
});

test("the terminal is restored when the time is over and when a signal comes", async (context) => {
  needScript(context);
  const killed = `sh -c 'echo $$ >${files.path}/pid; exec ${SHELL_LINE}'`;
  const command = `stty -a >${files.path}/before; ${killed}; echo "status $?"; stty -a | cmp - ${files.path}/before && echo same`;
  const dialog = onTerminal(`(sleep 3; kill $(cat ${files.path}/pid)) & ${command}`, []);
  expect(await dialog).toMatch(/status 143[\s\S]*same\r\n/);
  const late = SHELL_LINE.replace("--timeout 15", "--timeout 0.3");
  const screen = await onTerminal(command.replace(killed, late), []);
  expect(screen).toMatch(/status 124\r\nsame\r\n/);
});
