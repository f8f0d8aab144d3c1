// npm run suites: public CPU suites on tskvm and on QEMU's TCG, against the committed tables.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { decoderTables } from "./decoder-tables.mjs";
import { kselftest } from "./kselftest.mjs";
import { kvmUnitTests } from "./kvm-unit-tests.mjs";
import { paranoia, qemuTcg } from "./native-programs.mjs";
import { improvements, mergeTables, readTable, regressions, writeTable } from "./results.mjs";
import { singleStep } from "./single-step.mjs";
import { counts, runEntries } from "./suite.mjs";
import { testI386 } from "./test-i386.mjs";
import { test386 } from "./test386.mjs";
import { testfloat } from "./testfloat.mjs";

/** @typedef {import("./suite.mjs").Suite} Suite */

const help = `npm run suites -- [OPTION...] [ENTRY...]

Runs the entries of the given suites, or only those named; NAME* stands for all
that begin so. Ends with status 1 if something is worse than in the committed
tables of test/suites/results.

  --kvm-unit-tests DIR   A built kvm-unit-tests; may be repeated, for i386.
  --test386 DIR          An assembled test386.asm.
  --kselftest DIR        The Linux kernel's tools/testing/selftests/x86, built.
  --test-i386 DIR        A built test-i386.
  --testfloat DIR        A built Berkeley TestFloat.
  --decoder-tables DIR   The Linux kernel's tools/perf/arch/x86/tests.
  --paranoia DIR         Builds of the C version of Kahan's paranoia.
  --qemu-tcg DIR         Folders i386 and x86_64 of the programs of QEMU's
                         tests/tcg, built.
  --single-step DIR      Real-mode vectors of an 80286 or 8086: v1_real_mode of
                         SingleStepTests/80286, v1_binary of
                         SingleStepTests/8086; may be repeated.
  --deadline SECONDS     For each entry and machine, instead of what the entry is
                         granted.
  --no-qemu              Only tskvm.
  --json FILE            Write what was found.
  --update               Put what was found into the committed tables.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "kvm-unit-tests": { type: "string", multiple: true, default: [] },
    test386: { type: "string" },
    kselftest: { type: "string" },
    "test-i386": { type: "string" },
    testfloat: { type: "string" },
    "decoder-tables": { type: "string" },
    "single-step": { type: "string", multiple: true, default: [] },
    "qemu-tcg": { type: "string" },
    paranoia: { type: "string" },
    deadline: { type: "string" },
    "no-qemu": { type: "boolean", default: false },
    json: { type: "string" },
    update: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** @param {string} name */
const isChosen = (name) =>
  positionals.length === 0 ||
  positionals.some((wanted) => (wanted.endsWith("*") ? name.startsWith(wanted.slice(0, -1)) : name === wanted));

/** @param {Suite} suite */
async function runSuite({ name, entries, choose }) {
  print(`\n${name}`);
  const chosen = entries.filter((entry) => isChosen(entry.name));
  choose?.(new Set(chosen.map((entry) => entry.name)));
  const committed = readTable(name);
  const options = {
    deadline: values.deadline === undefined ? undefined : Number(values.deadline),
    qemu: !values["no-qemu"],
    committed,
    print,
  };
  const table = await runEntries(chosen, options);
  print(`tskvm:    ${counts(table, "tskvm")}`);
  if (options.qemu) print(`QEMU TCG: ${counts(table, "qemu")}`);
  if (values.update) writeTable(name, mergeTables(committed, table));
  else report(regressions(committed, table), improvements(committed, table));
  return [name, table];
}

/**
 * @param {string[]} worse
 * @param {string[]} better
 */
function report(worse, better) {
  for (const line of better) print(`better: ${line}; record it with --update`);
  for (const line of worse) print(`worse: ${line}`);
  if (worse.length > 0) process.exitCode = 1;
}

const suites = [
  ...values["kvm-unit-tests"].map(kvmUnitTests),
  ...(values.test386 === undefined ? [] : [test386(values.test386)]),
  ...(values.kselftest === undefined ? [] : kselftest(values.kselftest)),
  ...(values["decoder-tables"] === undefined ? [] : [decoderTables(values["decoder-tables"])]),
  ...values["single-step"].map(singleStep),
  ...(values.paranoia === undefined ? [] : [paranoia(values.paranoia)]),
  ...(values["qemu-tcg"] === undefined ? [] : qemuTcg(values["qemu-tcg"])),
  ...(values.testfloat === undefined ? [] : [testfloat(values.testfloat)]),
  ...(values["test-i386"] === undefined ? [] : [testI386(values["test-i386"])]),
];
if (values.help || suites.length === 0) {
  process.stdout.write(help);
  process.exitCode = values.help ? 0 : 1;
} else {
  const found = [];
  for (const suite of suites) found.push(await runSuite(suite));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(Object.fromEntries(found), undefined, 2)}\n`);
}
