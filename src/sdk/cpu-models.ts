import { CPU_MODELS, DEFAULT_CPU_MODEL } from "../spec/x86/cpu-model.ts";
import { CPUID_FEATURE } from "../spec/x86/cpuid.ts";

export interface CpuModels {
  readonly models: readonly { readonly name: string; readonly title: string; readonly isDefault: boolean }[];
  /** Names for "+" and "-". */
  readonly features: readonly string[];
  /** Names of features that the engine lacks. */
  readonly lacking: readonly string[];
}

/** What the option `cpu` can name. */
export async function cpuModels(): Promise<CpuModels> {
  // the engine's features follow from the instruction table, which takes a while to load
  const { supportedFeatures } = await import("../engine/wasm/cpuid.ts");
  const supported = supportedFeatures();
  const names = [...CPUID_FEATURE.keys()].sort();
  return {
    models: CPU_MODELS.map(({ name, title }) => ({ name, title, isDefault: name === DEFAULT_CPU_MODEL })),
    features: names.filter((name) => supported.has(name)),
    lacking: names.filter((name) => !supported.has(name)),
  };
}
