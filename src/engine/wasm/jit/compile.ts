import { HELPERS } from "../../../isa/ir/helpers.ts";
import { ModuleWriter } from "../asm/module.ts";
import { CPU_TYPE, ENGINE_HELPERS, HANDLER_TYPE, helperSignature, MEMORY_PAGES } from "../interpreter/generate.ts";
import { CALLABLE, discoverRegion, type Region } from "./region.ts";
import { RegionEmitter } from "./region-emitter.ts";
import type { CompiledRegions, RegionRequest } from "./request.ts";

const SLOW_PATHS = [
  "load_slow",
  "load_checked",
  "store_slow",
  "store_checked",
  "store_wide_slow",
  "raise_plain",
] as const;

/** Compiles regions of the code in a machine's memory into one module. */
export function compileRegions(bytes: Uint8Array, requests: readonly RegionRequest[]): CompiledRegions {
  const regions = requests.map((request) => discoverRegion(bytes, request)).filter((region) => region !== undefined);
  const ids = regions.map(({ request }) => request.id);
  const refused = requests.map(({ id }) => id).filter((id) => !ids.includes(id));
  const code = writeModule(regions);
  return { module: new WebAssembly.Module(code), ids, refused, bytes: code.length, milliseconds: 0 };
}

/** A module that exports every region under its id. */
export function writeModule(regions: readonly Region[]): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter();
  module.importSharedMemory("env", "memory", MEMORY_PAGES);
  module.importTable("env", "handlers");
  const dispatch = module.importFunction("env", "dispatch", CPU_TYPE);
  const helpers = new Map<string, number>();
  for (const [name, declaration] of Object.entries({ ...ENGINE_HELPERS, ...HELPERS }))
    if (CALLABLE.has(name) || (SLOW_PATHS as readonly string[]).includes(name))
      helpers.set(name, module.importFunction("helpers", name, helperSignature(declaration)));
  const to = { dispatch, handlerType: module.type(HANDLER_TYPE), helper: (name: string) => helpers.get(name)! };
  for (const region of regions) {
    const index = module.declare(HANDLER_TYPE);
    const f = module.body(HANDLER_TYPE);
    new RegionEmitter(f, region, to).emit();
    module.define(index, f);
    module.export(`${region.request.id}`, index);
  }
  return module.finish();
}
