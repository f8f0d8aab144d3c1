import { readFileSync } from "node:fs";
import type { CpuIdentity } from "../spec/x86/cpu-model.ts";

const VENDORS = ["GenuineIntel", "AuthenticAMD"] as const;

/** How the processor of this machine names itself, where Linux on x86 tells. */
export function hostCpuIdentity(): CpuIdentity | undefined {
  try {
    return parseCpuInfo(readFileSync("/proc/cpuinfo", "latin1"));
  } catch {
    return undefined;
  }
}

/** The first processor of /proc/cpuinfo; undefined if it is none of the known vendors. */
export function parseCpuInfo(text: string): CpuIdentity | undefined {
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)?.[1]?.trim();
  const vendor = VENDORS.find((name) => name === field("vendor_id"));
  const [family, model, stepping] = [field("cpu family"), field("model"), field("stepping")].map(Number);
  if (vendor === undefined || !family || !Number.isInteger(model) || !Number.isInteger(stepping)) return undefined;
  return { vendor, family, model: model!, stepping: stepping!, brand: field("model name") ?? "" };
}
