import { CPU, SEGMENT_SIZE } from "../state.ts";
import type { RegisterClass } from "../table/row.ts";

/**
 * What an operand slot's field of a decoded record holds: the state offset of the register, or for x87, control and
 * debug registers its number. Without REX, byte registers 4-7 are AH, CH, DH and BH. [SDM 2A 2.2.1.2]
 */
export function slotField(file: RegisterClass, number: number, rex: boolean): number {
  switch (file) {
    case "gpr8":
      return !rex && number >= 4 && number < 8 ? CPU.gpr + 8 * (number - 4) + 1 : CPU.gpr + 8 * number;
    case "gpr":
      return CPU.gpr + 8 * number;
    case "segment":
      return CPU.segments + SEGMENT_SIZE * (number & 7);
    case "mmx":
      return CPU.fpr + 16 * (number & 7);
    case "xmm":
      return CPU.xmm + 32 * number;
    case "x87":
      return number & 7;
    case "control":
    case "debug":
      return number;
  }
}
