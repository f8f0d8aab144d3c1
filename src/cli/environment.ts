import { UserError } from "../base/assert.ts";

/** Reads the values of --env: NAME=VALUE, or NAME with the value that it has here. Throws UserError. */
export function parseVariables(
  texts: readonly string[] = [],
  here: NodeJS.ProcessEnv = process.env,
): { [name: string]: string } {
  const variables: { [name: string]: string } = {};
  for (const text of texts) {
    const [, name = "", value] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? [];
    if (name === "") throw new UserError(`--env ${text} names no variable`, "Write it like --env NAME=VALUE.");
    const known = value ?? here[name];
    if (known !== undefined) variables[name] = known;
  }
  return variables;
}
