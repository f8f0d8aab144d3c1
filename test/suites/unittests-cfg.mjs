// Reads the list of entries of kvm-unit-tests, `x86/unittests.cfg`.

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {string} file of the kernel
 * @property {number} smp processors that it asks for
 * @property {string} args of the kernel
 * @property {string[]} qemuParams
 * @property {string | undefined} arch undefined: both
 * @property {string | undefined} accel undefined: any
 * @property {string[]} groups
 * @property {number | undefined} timeout seconds
 */

/**
 * @param {string} text
 * @returns {Entry[]}
 */
export function parseUnitTests(text) {
  return text
    .split(/^(?=\[)/m)
    .map((section) => /^\[([^\]]+)\](.*)$/s.exec(section))
    .filter((match) => match !== null)
    .map(([, name, body]) => entryOf(String(name), keysOf(String(body))));
}

/** @param {string} body */
function keysOf(body) {
  const pairs = body.matchAll(/^(\w+)\s*=\s*(.*?)\s*$/gm);
  return new Map(Array.from(pairs, ([, key, value]) => [key, value]));
}

/**
 * @param {string} name
 * @param {Map<string | undefined, string | undefined>} keys
 * @returns {Entry}
 */
function entryOf(name, keys) {
  const timeout = keys.get("timeout");
  return {
    name,
    file: keys.get("file") ?? `${name}.flat`,
    smp: Number(keys.get("smp") ?? 1),
    args: unquote(keys.get("test_args") ?? keys.get("extra_params") ?? ""),
    qemuParams: words(keys.get("qemu_params") ?? ""),
    arch: keys.get("arch"),
    accel: keys.get("accel"),
    groups: words(keys.get("groups") ?? ""),
    timeout: timeout === undefined ? undefined : Number(timeout),
  };
}

/** @param {string} text */
const words = (text) => text.split(/\s+/).filter((word) => word !== "");

/**
 * A shell word of the list: quotes are dropped, and the one command in use there is executed.
 * @param {string} text
 */
const unquote = (text) =>
  text.replace(/^(['"])(.*)\1$/s, "$2").replaceAll("`date +%s`", () => String(Math.floor(Date.now() / 1000)));
