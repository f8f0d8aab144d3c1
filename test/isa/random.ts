/** Numbers from a seed: the same ones on every machine. (SplitMix32) */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 random bits. */
  u32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.u32() % n;
  }

  /** True `percent` times of a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** `size` bits, mostly at an edge of some width: 0, 1, -1, the greatest and least signed numbers and their neighbours. */
  edge(size: number): bigint {
    const kind = this.below(10);
    if (kind < 3) return BigInt.asUintN(size, this.u64());
    if (kind < 5) return BigInt.asUintN(size, BigInt(this.below(256)) - 128n);
    const width = BigInt(this.pick([7, 8, 15, 16, 31, 32, 63, 64]));
    return BigInt.asUintN(size, (1n << width) + BigInt(this.below(5)) - 2n);
  }

  shuffle<T>(list: readonly T[]): T[] {
    const left = [...list];
    const out: T[] = [];
    while (left.length) out.push(...left.splice(this.below(left.length), 1));
    return out;
  }
}
