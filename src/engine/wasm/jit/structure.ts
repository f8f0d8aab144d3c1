/** The shape of a control flow graph: what WebAssembly's nested blocks and loops need to know of it. */
export interface Structure {
  /** Nodes in reverse postorder: the root is first. */
  readonly order: readonly number[];
  /** Place in that order. */
  readonly place: ReadonlyMap<number, number>;
  /** Nodes whose immediate dominator a node is, last in order first. */
  readonly dominated: ReadonlyMap<number, readonly number[]>;
  /** Targets of an edge back from a node that they dominate. */
  readonly loops: ReadonlySet<number>;
  /** Nodes that several edges forward lead to. */
  readonly merges: ReadonlySet<number>;
  /** Whether an edge leads back to a node that does not dominate its source: no loop has it. */
  isIrreducible(from: number, to: number): boolean;
}

/**
 * Analyses the graph reached from `root`. Dominators by iteration over reverse postorder [Cooper, Harvey, Kennedy: A
 * Simple, Fast Dominance Algorithm].
 */
export function analyse(root: number, successors: (node: number) => readonly number[]): Structure {
  const order = reversePostorder(root, successors);
  const place = new Map(order.map((node, n) => [node, n]));
  const edges = order.map((node) => successors(node).map((to) => place.get(to)!));
  const dominators = dominatorsOf(edges);
  const dominates = (a: number, b: number): boolean => {
    let at = b;
    while (at > a) at = dominators[at]!;
    return at === a;
  };
  const loops = new Set<number>();
  const merges = new Set<number>();
  const forward = new Array<number>(order.length).fill(0);
  edges.forEach((targets, from) => {
    for (const to of targets) {
      if (to > from) {
        if (++forward[to]! > 1) merges.add(order[to]!);
      } else if (dominates(to, from)) loops.add(order[to]!);
    }
  });
  return {
    order,
    place,
    dominated: childrenOf(order, dominators),
    loops,
    merges,
    isIrreducible: (from, to) => {
      const [a, b] = [place.get(from)!, place.get(to)!];
      return b <= a && !dominates(b, a);
    },
  };
}

function reversePostorder(root: number, successors: (node: number) => readonly number[]): number[] {
  const seen = new Set<number>([root]);
  const done: number[] = [];
  const stack = [{ node: root, rest: [...successors(root)] }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const next = top.rest.pop();
    if (next === undefined) done.push(stack.pop()!.node);
    else if (!seen.has(next)) {
      seen.add(next);
      stack.push({ node: next, rest: [...successors(next)] });
    }
  }
  return done.reverse();
}

/** Immediate dominators by place; the root's is itself. */
function dominatorsOf(edges: readonly (readonly number[])[]): number[] {
  const predecessors: number[][] = edges.map(() => []);
  edges.forEach((targets, from) => {
    for (const to of targets) predecessors[to]!.push(from);
  });
  const dominators = new Array<number>(edges.length).fill(-1);
  dominators[0] = 0;
  const common = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      if (x > y) x = dominators[x]!;
      else y = dominators[y]!;
    }
    return x;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let node = 1; node < edges.length; node++) {
      const known = predecessors[node]!.filter((from) => dominators[from]! >= 0);
      const found = known.reduce(common);
      changed ||= dominators[node] !== found;
      dominators[node] = found;
    }
  }
  return dominators;
}

function childrenOf(order: readonly number[], dominators: readonly number[]): Map<number, number[]> {
  const children = new Map<number, number[]>(order.map((node) => [node, []]));
  for (let node = order.length - 1; node > 0; node--) children.get(order[dominators[node]!]!)!.push(order[node]!);
  return children;
}
