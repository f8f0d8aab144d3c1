import { ModuleWriter } from "../asm/module.ts";
import {
  CPU_TYPE,
  ENTER_TYPE,
  HANDLER_TYPE,
  HELPER_DECLARATIONS,
  helperSignature,
  MEMORY_PAGES,
} from "../interpreter/generate.ts";
import { discoverRegion, type Region } from "./region.ts";
import { type RegionContinuations, RegionEmitter } from "./region-emitter.ts";
import type { CompiledRegions, RegionRequest } from "./request.ts";

/** Compiles regions of the code in a machine's memory into one module. */
export function compileRegions(bytes: Uint8Array, requests: readonly RegionRequest[]): CompiledRegions {
  const regions = requests.map((request) => discoverRegion(bytes, request)).filter((region) => region !== undefined);
  const ids = regions.map(({ request }) => request.id);
  const refused = requests.map(({ id }) => id).filter((id) => !ids.includes(id));
  const code = writeModule(regions);
  return { module: new WebAssembly.Module(code), ids, refused, bytes: code.length, milliseconds: 0 };
}

/**
 * A module that exports every region under its id. It imports the functions that its regions call, and no table: that
 * would keep every instance alive for as long as the table.
 */
export function writeModule(regions: readonly Region[]): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter();
  module.importSharedMemory("env", "memory", MEMORY_PAGES);
  const dispatch = module.importFunction("env", "dispatch", CPU_TYPE);
  const enter = module.importFunction("env", "enter", ENTER_TYPE);
  const helpers = new Map<string, number>();
  for (const name of helpersOf(regions))
    helpers.set(name, module.importFunction("helpers", name, helperSignature(HELPER_DECLARATIONS[name]!)));
  emitRegions(module, regions, { dispatch, enter, helper: (name) => helpers.get(name)! });
  return module.finish();
}

/** The helpers that regions call: imports come first in a module, so the regions are emitted once to see. */
function helpersOf(regions: readonly Region[]): ReadonlySet<string> {
  const names = new Set<string>();
  const helper = (name: string) => {
    names.add(name);
    return 0;
  };
  emitRegions(new ModuleWriter(), regions, { dispatch: 0, enter: 0, helper });
  return names;
}

function emitRegions(module: ModuleWriter, regions: readonly Region[], to: RegionContinuations): void {
  for (const region of regions) {
    const index = module.declare(HANDLER_TYPE);
    const f = module.body(HANDLER_TYPE);
    new RegionEmitter(f, region, to).emit();
    module.define(index, f);
    module.export(`${region.request.id}`, index);
  }
}
