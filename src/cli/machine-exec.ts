/** tskvm exec: a command in a running machine. */

import type { ReadStream } from "node:tty";
import { UserError } from "../base/assert.ts";
import { execIn } from "../manage/client.ts";
import type { CommandEvent } from "../manage/protocol.ts";
import { quoted } from "../sdk/index.ts";
import type { ArgumentsOf } from "./commands.ts";
import type { Ending } from "./ending.ts";
import { parseVariables } from "./environment.ts";
import type { EXEC } from "./machine-commands.ts";

/** Runs `tskvm exec ARGS`. Throws UserError. */
export async function exec({ values, positionals }: ArgumentsOf<typeof EXEC>): Promise<Ending> {
  const [name, ...words] = positionals;
  if (name === undefined || words.length === 0)
    throw new UserError("exec needs a machine and a command", "Write tskvm exec NAME COMMAND.");
  const { stdin, stdout, stderr } = process;
  if (values.tty && !stdout.isTTY) throw new UserError("-t needs a terminal here", "Leave -t out.");
  const raw = values.tty && values.interactive && stdin.isTTY ? stdin : undefined;
  raw?.setRawMode(true);
  try {
    const status = await execIn(name, {
      command: words.map(quoted).join(" "),
      options: {
        env: parseVariables(values.env),
        cwd: values.workdir,
        user: values.user,
        input: values.interactive,
        terminal: values.tty && { rows: stdout.rows, columns: stdout.columns },
      },
      input: values.interactive && stdin,
      output: stdout,
      errors: stderr,
      onStart: (tell) => passSignals(tell, raw),
    });
    return { status };
  } finally {
    raw?.setRawMode(false);
    stdin.pause();
  }
}

/** The window's size goes to the command's terminal; without one signals go to the command. */
function passSignals(tell: (event: CommandEvent) => void, raw: ReadStream | undefined): void {
  const { stdout } = process;
  stdout.on("resize", () => tell({ event: "resize", rows: stdout.rows, columns: stdout.columns }));
  if (raw) return;
  for (const signal of ["INT", "TERM"] as const) process.on(`SIG${signal}`, () => tell({ event: "signal", signal }));
}
