// npm run bench:startup -- [IMAGE [ROUNDS]]: how long `tskvm run` takes until the guest runs. Builds when needed.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { buildOrExit } from "../tools/build.mjs";
import { describeHost, loadAverage } from "./common/host.mjs";
import { markdownTable } from "./common/markdown.mjs";
import { summarize } from "./common/statistics.mjs";

const program = fileURLToPath(new URL("../bin/tskvm.js", import.meta.url));
const partsProgram = fileURLToPath(new URL("startup/parts.mjs", import.meta.url));

/** @param {string[]} args */
function node(args) {
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 600_000 });
  return { stdout, stderr };
}

/** Milliseconds until the guest runs. @param {string} image */
function measureWhole(image) {
  const { stderr } = node([program, "run", "--image", image, "--stats", "--timeout", "0.001"]);
  const seconds = /started in ([\d.]+) s/.exec(stderr)?.[1];
  if (seconds === undefined) throw new Error(`tskvm run did not start a machine:\n${stderr}`);
  return Number(seconds) * 1000;
}

/** Milliseconds of the parts one after the other. @param {string} image @returns {[string, number][]} */
function measureParts(image) {
  const { stdout, stderr } = node([partsProgram, image]);
  if (stdout === "") throw new Error(`the parts did not start a machine:\n${stderr}`);
  return JSON.parse(stdout);
}

/** @param {string} image @param {number} rounds */
function measure(image, rounds) {
  /** @type {Map<string, number[]>} */
  const times = new Map();
  for (let round = 0; round < rounds; round++) {
    const all = [["tskvm run, until the guest runs", measureWhole(image)], ...measureParts(image)];
    for (const [name, time] of /** @type {[string, number][]} */ (all))
      times.set(name, [...(times.get(name) ?? []), time]);
  }
  return [...times].map(([name, all]) => {
    const { median, min, max } = summarize(all);
    return [name, ...[median, min, max].map((time) => time.toFixed(0))];
  });
}

const [image = "debian-cloud", rounds = "11"] = process.argv.slice(2);
//await buildOrExit();
measureWhole(image); // fetches the image, and warms the caches
const table = markdownTable(["part", "median, ms", "least", "greatest"], measure(image, Number(rounds)));
const { processor, cores, node: version } = describeHost();
process.stdout.write(
  `${table}\n${image}, ${rounds} rounds; ${processor}, ${cores} cores, Node ${version}, load ${loadAverage().toFixed(1)}\n`,
);
