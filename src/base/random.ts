/** The only source of randomness. Everything that needs it takes a Random, so that a run can be replayed. */
export interface Random {
  /** 32 random bits, as a signed integer. */
  next(): number;
}

/** A sequence that its seed decides, for tests and deterministic runs: a counter through a mixing function of 32 bits. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  }
}
