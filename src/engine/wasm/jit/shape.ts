import { type BlockEnd, type Region, targetsOf } from "./region.ts";
import { analyse, type Structure } from "./structure.ts";

/** The node before all others: it goes on at whichever entry's offset is wanted. No offset is so far away. */
export const HEAD = -(2 ** 40);

/**
 * The graph of a region's blocks as WebAssembly can have it. Where a block is come back to by a return, or by a jump that
 * no loop has, the way leads through the head: such blocks are entries.
 */
export class Shape {
  /** Offsets where the head goes on, in order. */
  readonly entries: readonly number[];
  readonly structure: Structure;
  readonly #byHead = new Set<string>();
  readonly #hasEntries: boolean;

  constructor(region: Region) {
    const { blocks, request } = region;
    const isOpen = [...blocks.values()].some(({ end }) => end.kind === "dynamic" && end.way !== "other");
    this.#hasEntries = isOpen && region.entries.size > 0;
    const entries = new Set(isOpen ? [request.root, ...region.entries] : [request.root]);
    const edge = (from: number, to: number): string => `${from} ${to}`;
    const successors = (node: number): number[] => {
      if (node === HEAD) return [...entries];
      const { end } = blocks.get(node)!;
      if (end.kind === "dynamic") return this.comesBack(end) ? [HEAD] : [];
      const targets = targetsOf(end).filter((to) => blocks.has(to));
      return targets.map((to) => (this.#byHead.has(edge(node, to)) ? HEAD : to));
    };
    const shape = (): Structure => analyse(HEAD, (node) => [...new Set(successors(node))]);
    let structure = shape();
    for (let changed = true; changed; ) {
      changed = false;
      for (const from of structure.order)
        for (const to of successors(from)) {
          if (!structure.isIrreducible(from, to)) continue;
          this.#byHead.add(edge(from, to));
          entries.add(to);
          changed = true;
        }
      if (changed) structure = shape();
    }
    this.structure = structure;
    this.entries = [...entries].sort((a, b) => a - b);
  }

  /** Whether the way from a block to another leads through the head. */
  leadsByHead(from: number, to: number): boolean {
    return this.#byHead.has(`${from} ${to}`);
  }

  /** Whether a jump to a place that is not known may lead to the head. */
  comesBack(end: BlockEnd): boolean {
    return this.#hasEntries && end.kind === "dynamic" && end.way !== "other";
  }

  /** Whether a node is later in order than one that goes to it, and nobody else does. */
  isOnlyFrom(from: number, to: number): boolean {
    const { place, merges } = this.structure;
    return place.get(to)! > place.get(from)! && !merges.has(to);
  }
}
