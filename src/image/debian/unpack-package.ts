import { createHash } from "node:crypto";
import type { TreeBuilder } from "../layer/tree-builder.ts";
import { collect, readTar } from "../tar/read-tar.ts";
import type { BodySink } from "../tar/tar-parser.ts";
import { readMember } from "./deb.ts";
import type { UnpackedPackage } from "./dpkg-database.ts";

/** Puts a package's files into a tree. Throws a UserError for a file that is no package. */
export async function unpackPackage(path: string, builder: TreeBuilder): Promise<UnpackedPackage> {
  const control = new Map<string, Uint8Array>();
  await readTar(await readMember(path, "control.tar"), (entry) => {
    if (entry.kind !== "file") return undefined;
    return collect((data) => control.set(entry.path.replace(/^\.?\//, ""), data));
  });
  const conffiles = new Set(
    new TextDecoder()
      .decode(control.get("conffiles"))
      .split("\n")
      .map((line) => line.trim()),
  );
  const paths: string[] = [];
  const md5 = new Map<string, string>();
  await readTar(await readMember(path, "data.tar"), (entry) => {
    const name = entry.path.replace(/^\.?\//, "/").replace(/\/$/, "");
    if (name !== "") paths.push(name);
    const sink = builder.add(entry);
    return sink && conffiles.has(name) ? hashed(sink, (hash) => md5.set(name, hash)) : sink;
  });
  return { control, paths, md5 };
}

function hashed(sink: BodySink, done: (hash: string) => void): BodySink {
  const hash = createHash("md5");
  return {
    write(data) {
      hash.update(data);
      sink.write(data);
    },
    end() {
      done(hash.digest("hex"));
      sink.end?.();
    },
  };
}
