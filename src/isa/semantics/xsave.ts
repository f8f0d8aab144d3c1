import { CR0, CR4 } from "../../spec/x86/control-register.ts";
import { XSAVE } from "../../spec/x86/xsave.ts";
import { CPU, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import { XSAVE_FORM } from "../xsave-form.ts";

/** #UD by CR4.OSXSAVE, #NM by CR0.TS, #GP above CPL 0 or by alignment; the helper knows the components. [SDM 2D XSAVE] */
const area =
  (helper: "xsave" | "xrstor", form: keyof typeof XSAVE_FORM): Semantics =>
  (b) => {
    b.trapIf(b.isZero(b.and(b.get(CPU.cr4, "i32"), b.i32(CR4.OSXSAVE))), VECTOR.UD);
    if (form === "supervisor") b.call("check_xsaves");
    b.trapIf(b.and(b.get(CPU.cr0, "i32"), b.i32(CR0.TS)), VECTOR.NM);
    const linear = b.address(helper === "xsave" ? "write" : "read", XSAVE.EXTENDED);
    b.trapIf(b.and(b.wrap(linear), b.i32(XSAVE.ALIGNMENT - 1)), VECTOR.GP);
    b.call(helper, linear, b.i32(XSAVE_FORM[form]), b.i32(b.bits === 64 ? 1 : 0));
  };

export const xsave = area("xsave", "plain");
export const xsaveopt = area("xsave", "optimized");
export const xsavec = area("xsave", "compacted");
export const xsaves = area("xsave", "supervisor");
export const xrstor = area("xrstor", "plain");
export const xrstors = area("xrstor", "supervisor");
