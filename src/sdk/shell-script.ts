import { UserError } from "../base/assert.ts";

/** What a command in the guest finds around it. */
export interface CommandSurroundings {
  /** Added to the guest's environment. */
  readonly env?: { readonly [name: string]: string } | undefined;
  /** Working directory. */
  readonly cwd?: string | undefined;
  /** Name of the user; root if not given. */
  readonly user?: string | undefined;
}

/** A script that becomes a command in its surroundings. Throws UserError. */
export function shellScript(command: string, { env = {}, cwd, user }: CommandSurroundings): string {
  const wrong = Object.keys(env).find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (wrong !== undefined) throw new UserError(`"${wrong}" is no name of a variable`, "Use letters, digits and _.");
  if (user !== undefined && !/^[a-z_][a-z0-9_-]*$/i.test(user))
    throw new UserError(`"${user}" is no name of a user`, "Name one of the guest's users.");
  const lines = [
    ...(cwd === undefined ? [] : [`cd ${quoted(cwd)} || exit 126`]),
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    user === undefined ? `exec sh -c ${quoted(command)}` : `exec su -s /bin/sh -c ${quoted(command)} ${user}`,
  ];
  return lines.join("\n");
}

/** A word of a shell's. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
