import type { Node } from "../../../isa/ir/ops.ts";

/**
 * The place that a node's value is, as an offset from where the instruction's own is `offset`; undefined if it is not
 * known. A rip cut to 32 bits is the same place: who makes a rip of it cuts it again.
 */
export function staticRip(nodes: readonly Node[], index: number, offset: number, length: number): number | undefined {
  const node = nodes[index]!;
  switch (node.op) {
    case "rip_this":
      return offset;
    case "rip_next":
      return offset + length;
    case "wrap":
    case "extend_i32_u":
      return staticRip(nodes, node.args[0]!, offset, length);
    case "add": {
      const [x, y] = node.args as [number, number];
      const distance = constant(nodes[y]!);
      const from = distance === undefined ? undefined : staticRip(nodes, x, offset, length);
      return from === undefined ? undefined : from + distance!;
    }
    default:
      return undefined;
  }
}

/** A constant that fits into 32 bits. */
function constant({ op, words }: Node): number | undefined {
  if (op !== "const") return undefined;
  const [low, high] = words as [number, number | undefined];
  return high === undefined || high === low >> 31 ? low : undefined;
}
