import { expect, test } from "vitest";
import { readCpio } from "./cpio.ts";
import { modulesArchive, selectModules } from "./guest-modules.ts";

const module = (name: string, ...depends: string[]) => ({
  path: `lib/modules/6.1/kernel/x/${name}.ko`,
  data: new TextEncoder().encode(`ELF\0license=GPL\0depends=${depends.join(",")}\0name=x\0`),
});

const files = [
  module("9p", "9pnet", "netfs"),
  module("9pnet_virtio", "9pnet", "virtio"),
  module("9pnet"),
  module("netfs"),
  module("virtio"),
  module("virtio_pci", "virtio"),
  module("virtio-rng", "virtio"),
  module("virtio_net", "virtio"),
  module("soundcard"),
];

const names = (archive: Uint8Array) =>
  readCpio(archive).flatMap(({ path }) => (path.endsWith(".ko") ? [path.replace(/.*\//, "")] : []));

test("a guest gets the drivers that it needs, each behind those that it depends on", () => {
  const kept = modulesArchive(files);
  expect(names(kept)).not.toContain("soundcard");
  expect(names(selectModules(kept, ["shares"]))).toEqual(
    ["virtio", "virtio_pci", "virtio_rng", "9pnet", "9pnet_virtio", "netfs", "9p"].map((name, n) => `0${n}-${name}.ko`),
  );
  expect(names(selectModules(kept, ["network"]))).toEqual(
    ["virtio", "virtio_pci", "virtio_rng", "virtio_net"].map((name, n) => `0${n}-${name}.ko`),
  );
});
