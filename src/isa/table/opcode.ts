import { assert } from "../../base/assert.ts";

/** Opcode maps in the order of the dispatch tables. [SDM 2D A.1] */
export const MAPS = ["", "0F", "0F38", "0F3A"] as const;
/** Mandatory prefixes in the order of the dispatch tables. */
export const MANDATORY = ["NP", "66", "F3", "F2"] as const;

/** Values of VEX.L and VEX.W by their notation; without one for W, it is that of the operand size. [SDM 2A 3.1.1.2] */
const LENGTHS: Readonly<Record<string, readonly number[]>> = { "128": [0], LZ: [0], "256": [1], LIG: [0, 1] };
const WIDTHS: Readonly<Record<string, readonly number[]>> = { W0: [0], W1: [1], WIG: [0, 1] };

/** The values of VEX.L and VEX.W that an encoding has. */
export interface Vex {
  readonly lengths: readonly number[];
  readonly widths: readonly number[];
}

/** An opcode of a row, parsed. */
export interface Opcode {
  /** Index in MANDATORY; undefined: any. */
  readonly prefix: number | undefined;
  /** Behind a VEX prefix. */
  readonly vex?: Vex;
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

const VEX_NOTATION =
  /^VEX\.(128|256|LIG|LZ)(?:\.(66|F2|F3))?\.(0F(?:38|3A)?)(?:\.(W0|W1|WIG))? ([0-9A-F]{2})(?: \/([0-7]))?$/;

const digit = (value: string | undefined): number | undefined => (value === undefined ? undefined : Number(value));
const prefixIndex = (text: string): number => MANDATORY.indexOf(text as (typeof MANDATORY)[number]);
const mapIndex = (text: string): number => MAPS.indexOf(text as (typeof MAPS)[number]);

/** Parses the notation described at Row.opcode. */
export function parseOpcode(text: string): Opcode {
  if (text.startsWith("VEX.")) return parseVex(text);
  const match = NOTATION.exec(text);
  assert(match !== null, `opcode notation: ${text}`);
  const [, prefix, map, byte, reg, rm, plus] = match;
  return {
    prefix: prefix === undefined ? undefined : prefixIndex(prefix),
    map: mapIndex((map ?? "").replaceAll(" ", "")),
    byte: Number.parseInt(byte!, 16),
    plusRegister: plus !== undefined,
    reg: digit(reg),
    rm: digit(rm),
  };
}

function parseVex(text: string): Opcode {
  const match = VEX_NOTATION.exec(text);
  assert(match !== null, `opcode notation: ${text}`);
  const [, length, prefix, map, width, byte, reg] = match;
  return {
    prefix: prefixIndex(prefix ?? "NP"),
    vex: { lengths: LENGTHS[length!]!, widths: WIDTHS[width ?? "WIG"]! },
    map: mapIndex(map!),
    byte: Number.parseInt(byte!, 16),
    plusRegister: false,
    reg: digit(reg),
    rm: undefined,
  };
}
