import { assert } from "../../base/assert.ts";

/** Opcode maps in the order of the dispatch tables. [SDM 2D A.1] */
export const MAPS = ["", "0F", "0F38", "0F3A"] as const;
/** Mandatory prefixes in the order of the dispatch tables. */
export const MANDATORY = ["NP", "66", "F3", "F2"] as const;

/** An opcode of a row, parsed. */
export interface Opcode {
  /** Index in MANDATORY; undefined: any. */
  readonly prefix: number | undefined;
  /** Index in MAPS. */
  readonly map: number;
  readonly byte: number;
  /** The low three bits name a register. */
  readonly plusRegister: boolean;
  /** Opcode extension in ModRM.reg. */
  readonly reg: number | undefined;
  /** Fixed ModRM.rm with mod = 3. */
  readonly rm: number | undefined;
}

const NOTATION =
  /^(?:(NP|66|F2|F3) (?!$))?((?:0F(?: 38| 3A)? (?=[0-9A-F]))?)([0-9A-F]{2})(?: \/([0-7]))?(?: rm=([0-7]))?( \+r)?$/;

/** Parses the notation described at Row.opcode. */
export function parseOpcode(text: string): Opcode {
  const match = NOTATION.exec(text);
  assert(match !== null, `opcode notation: ${text}`);
  const [, prefix, map, byte, reg, rm, plus] = match;
  const digit = (value: string | undefined): number | undefined => (value === undefined ? undefined : Number(value));
  return {
    prefix: prefix === undefined ? undefined : MANDATORY.indexOf(prefix as (typeof MANDATORY)[number]),
    map: MAPS.indexOf((map ?? "").replaceAll(" ", "") as (typeof MAPS)[number]),
    byte: Number.parseInt(byte!, 16),
    plusRegister: plus !== undefined,
    reg: digit(reg),
    rm: digit(rm),
  };
}
