/** tskvm disk: makes, shows, checks and changes disk images. */

import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";
import { changeSnapshot, checkDisk, type DiskInfo, diskInfo, type SnapshotAction } from "../image/disk/inspect.ts";
import { commitOverlay, convertDisk, createDisk, resizeDisk } from "../image/disk/make.ts";
import { formatBytes, type Progress, progressOn } from "../image/progress.ts";
import type { ArgumentsOf, DISK, ValuesOf } from "./commands.ts";
import type { Ending } from "./ending.ts";
import { parseByteSize, parseChoice } from "./values.ts";

type Values = ValuesOf<typeof DISK>;
type Action = (names: readonly string[], values: Values, progress: Progress) => number;

/** Exit statuses of a check, as qemu-img's. */
const CHECK_STATUS = { clean: 0, corrupt: 2, leaks: 3 } as const;

const ACTIONS: { readonly [name: string]: Action } = {
  create(names, values) {
    const [file, size] = expect(names, 1, 2, "create FILE [SIZE]");
    createDisk(file!, size === undefined ? undefined : parseByteSize(size), {
      ...layout(values),
      backing: values.backing,
      backingFormat: format("backing-format", values["backing-format"]),
    });
    return 0;
  },
  info(names, values) {
    const infos = expect(names, 1, Number.POSITIVE_INFINITY, "info FILE...").map((file) =>
      diskInfo(file, format("source-format", values["source-format"])),
    );
    print(values, infos, infos.map(infoText).join("\n"));
    return 0;
  },
  check(names, values) {
    const [file] = expect(names, 1, 1, "check FILE");
    return check(file!, values);
  },
  convert(names, values, progress) {
    const [from, to] = expect(names, 2, 2, "convert FILE NEWFILE");
    const sourceFormat = format("source-format", values["source-format"]);
    convertDisk(from!, to!, { ...layout(values), sourceFormat, compress: values.compress, progress });
    return 0;
  },
  resize(names, values) {
    const [file, size] = expect(names, 2, 2, "resize FILE [+]SIZE");
    resizeDisk(file!, newSize(size!), {
      shrink: values.shrink,
      format: format("source-format", values["source-format"]),
    });
    return 0;
  },
  commit(names, _values, progress) {
    const [file] = expect(names, 1, 1, "commit FILE");
    const moved = commitOverlay(file!, progress);
    progress.end();
    process.stdout.write(`${formatBytes(moved)} moved\n`);
    return 0;
  },
  snapshot(names, values) {
    const [file, verb = "list", name] = expect(
      names,
      1,
      3,
      "snapshot FILE [list | create NAME | apply NAME | delete NAME]",
    );
    return snapshot(file!, verb, name, values);
  },
};

/** Runs `tskvm disk ARGS`. Throws UserError. */
export async function disk({ values, positionals }: ArgumentsOf<typeof DISK>): Promise<Ending> {
  const [name, ...names] = positionals;
  const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name]! : unknownAction(name);
  const progress = progressOn(process.stderr);
  try {
    return { status: action(names, values, progress) };
  } finally {
    progress.end();
  }
}

function unknownAction(name: string | undefined): never {
  const list = `The actions are ${Object.keys(ACTIONS).join(", ")}.`;
  if (name === undefined) throw new UserError("disk needs to know what to do", list);
  const guess = nearest(name, Object.keys(ACTIONS));
  throw new UserError(`unknown action "disk ${name}"`, guess === undefined ? list : `Did you mean ${guess}? ${list}`);
}

function expect(names: readonly string[], least: number, most: number, usage: string): readonly string[] {
  if (names.length >= least && names.length <= most) return names;
  throw new UserError(`that is no \`disk ${usage.split(" ")[0]}\``, `Write tskvm disk ${usage}.`);
}

function format(option: string, value: string | undefined) {
  return parseChoice(option, value, ["raw", "qcow2"] as const);
}

function layout(values: Values) {
  const clusterSize = values["cluster-size"];
  const compat = parseChoice("compat", values.compat, ["2", "3"] as const);
  return {
    format: format("format", values.format),
    clusterSize: clusterSize === undefined ? undefined : parseByteSize(clusterSize),
    version: compat === undefined ? undefined : compat === "2" ? (2 as const) : (3 as const),
    compression: parseChoice("compression", values.compression, ["zlib", "zstd"] as const),
  };
}

/** "+1G" is meant from the size there is. */
function newSize(text: string): (old: number) => number {
  const bytes = parseByteSize(text.replace(/^\+/, ""));
  return text.startsWith("+") ? (old) => old + bytes : () => bytes;
}

function print(values: Values, data: unknown, text: string): void {
  process.stdout.write(values.json ? `${JSON.stringify(data, null, 2)}\n` : text);
}

function infoText(info: DiskInfo): string {
  const rows: (readonly [string, string | undefined])[] = [
    ["file", info.file],
    ["format", info.version === undefined ? info.format : `${info.format}, version ${info.version}`],
    ["size", `${formatBytes(info.size)} (${info.size} bytes)`],
    ["on the host", formatBytes(info.allocated)],
    ["cluster size", info.clusterSize === undefined ? undefined : formatBytes(info.clusterSize)],
    ["compression", info.compression],
    ["backing file", info.backingFile && `${info.backingFile}${info.backingFormat ? ` (${info.backingFormat})` : ""}`],
    ["state", info.corrupt ? "marked as corrupt" : info.dirty ? "not closed properly" : undefined],
    ...(info.snapshots ?? []).map(({ id, name, date }) => [`snapshot ${id}`, `${name}, ${date}`] as const),
  ];
  const known = rows.filter((row): row is readonly [string, string] => row[1] !== undefined);
  const width = Math.max(...known.map(([name]) => name.length)) + 2;
  return known.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}\n`).join("");
}

function check(file: string, values: Values): number {
  const result = checkDisk(file, { repair: values.repair ?? false });
  const { corruptions, undercounted, leaks, wrongFlags } = result;
  const lines = [
    ...corruptions,
    ...(undercounted > 0 ? [`${undercounted} clusters are referred to more often than counted`] : []),
    ...(wrongFlags > 0 ? [`${wrongFlags} entries say wrongly whether they are shared`] : []),
    ...(leaks > 0 ? [`${leaks} clusters are lost: counted, and used by nothing`] : []),
  ];
  const mended = values.repair && corruptions.length === 0;
  const summary = lines.length === 0 ? "no errors" : mended ? "repaired" : "not sound";
  print(values, { file, ...result }, [...lines, `${file}: ${summary}`, ""].join("\n"));
  if (mended || lines.length === 0) return CHECK_STATUS.clean;
  return corruptions.length + undercounted + wrongFlags > 0 ? CHECK_STATUS.corrupt : CHECK_STATUS.leaks;
}

function snapshot(file: string, verb: string, name: string | undefined, values: Values): number {
  if (verb === "list") {
    const { snapshots = [] } = diskInfo(file);
    print(
      values,
      snapshots,
      snapshots.map(({ id, name, date, size }) => `${id}\t${name}\t${date}\t${formatBytes(size)}\n`).join(""),
    );
    return 0;
  }
  const action = parseChoice<SnapshotAction>("snapshot", verb, ["create", "apply", "delete"]);
  if (action === undefined || name === undefined)
    throw new UserError(`${verb} needs the name of a snapshot`, `Write tskvm disk snapshot ${file} ${verb} NAME.`);
  changeSnapshot(file, action, name);
  return 0;
}
