/** The engine's two compiled modules; they can be posted to other threads. */
export interface WasmModules {
  readonly helpers: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
}

/** What the helper library calls: see isa/helpers/env.ts. */
export type Environment = Record<string, (...args: number[]) => unknown>;

/** The functions of helpers and interpreter that the engine calls from JavaScript. 64-bit arguments go through i32 halves. */
export interface Library {
  run(cpu: number): number;
  dispatch(cpu: number): number;
  /** Goes on with a record by a handler. Regions end in it: the table would keep every instance that imports it alive. */
  enter(cpu: number, record: number, handler: number): number;
  /** The interpreter's handlers, and slots for regions at its end. */
  readonly handlers: WebAssembly.Table;
  pack_flags(cpu: number): number;
  unpack_flags(cpu: number): number;
  update_mode(cpu: number): void;
  interrupt(cpu: number, vector: number): void;
  enter_smm(cpu: number, halted: number): void;
  deliver(cpu: number): void;
  deliver_raised(cpu: number): void;
  debug_trap(cpu: number): number;
  update_debug(cpu: number): void;
  tlb_flush(cpu: number): void;
  tlb_select(cpu: number): void;
  tlb_protect(cpu: number, hostPage: number): void;
  jump_cache_flush(cpu: number): void;
  code_at_rip(cpu: number): number;
  code_map_set(cpu: number, host: number, mode: number, record: number, second: number): void;
  fetch_translate_halves(cpu: number, low: number, high: number): number;
  translate_halves(cpu: number, low: number, high: number, access: number): number;
  components_in_use(cpu: number): number;
  reload_pdptrs(cpu: number): number;
}

/** Links the modules for one vCPU. */
export function instantiate(modules: WasmModules, memory: WebAssembly.Memory, environment: Environment): Library {
  const helpers = new WebAssembly.Instance(modules.helpers, { env: { memory, ...environment } });
  const interpreter = new WebAssembly.Instance(modules.interpreter, {
    env: { memory },
    helpers: helpers.exports as WebAssembly.Imports[string],
  });
  return { ...helpers.exports, ...interpreter.exports } as unknown as Library;
}
