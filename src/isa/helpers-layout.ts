import { CR0, CR4, DEBUGCTL, DR6, DR7, EFER, XCR0 } from "../spec/x86/control-register.ts";
import * as msr from "../spec/x86/msr.ts";
import * as mxcsr from "../spec/x86/mxcsr.ts";
import * as smm from "../spec/x86/smm.ts";
import * as x87 from "../spec/x86/x87.ts";
import * as xsave from "../spec/x86/xsave.ts";
import * as float from "./float-op.ts";
import * as state from "./state.ts";
import * as vector from "./vector-op.ts";
import * as xsaveForm from "./xsave-form.ts";

type Constants = Readonly<Record<string, number>>;

/** Groups whose bits belong to 64-bit state fields. */
const wide: Readonly<Record<string, Constants>> = { CR0, CR4, DEBUGCTL, DR6, DR7, EFER, XCR0 };

function declaration(name: string, value: number, type: "i32" | "u64"): string {
  return `export const ${name}: ${type} = ${type === "i32" ? value | 0 : value};`;
}

function group(prefix: string, constants: Constants, type: "i32" | "u64" = "i32"): string[] {
  return Object.entries(constants).map(([name, value]) => declaration(`${prefix}_${name}`, value, type));
}

function segments(): string[] {
  return state.SEGMENTS.map((name) => declaration(`SEGMENTS_${name}`, state.segmentOffset(name), "i32"));
}

/** Every exported number of a module as NAME, every exported record of numbers as RECORD_name. */
function moduleConstants(module: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(module).flatMap(([name, value]) => {
    if (typeof value === "number") return [declaration(name, value, "i32")];
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
    return group(name, value as Constants);
  });
}

/**
 * The source of src/isa/helpers/layout.generated.ts: the state layout and the processor's constants for the
 * AssemblyScript helpers. `CPU_rip` is CPU.rip of state.ts, `SEGMENTS_cs` the offset of CS's record from the vCPU's base.
 */
export function layoutSource(): string {
  const lines = [
    "// Generated from src/isa/state.ts and src/spec/x86. Do not edit.",
    ...moduleConstants(state),
    ...segments(),
    ...Object.entries(wide).flatMap(([name, constants]) => group(name, constants, "u64")),
    ...moduleConstants(msr),
    ...moduleConstants(smm),
    ...moduleConstants(x87),
    ...moduleConstants(mxcsr),
    ...moduleConstants(xsave),
    ...moduleConstants(xsaveForm),
    ...moduleConstants(float),
    ...moduleConstants(vector),
  ];
  return lines.join("\n") + "\n";
}
