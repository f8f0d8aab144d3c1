// Reads MOO files, chunks of single-step vectors. Every number in them is little-endian.

/**
 * The registers of a vector, in the order of their bits in a chunk.
 */
export const registerNames = /** @type {const} */ ([
  "ax",
  "bx",
  "cx",
  "dx",
  "cs",
  "ss",
  "ds",
  "es",
  "sp",
  "bp",
  "si",
  "di",
  "ip",
  "flags",
]);

/** @typedef {(typeof registerNames)[number]} RegisterName */

/**
 * @typedef {object} State
 * @property {Partial<Record<RegisterName, number>>} registers in a final state, those that changed
 * @property {[address: number, byte: number][]} memory
 */

/**
 * @typedef {object} Vector
 * @property {string} name the instruction's text
 * @property {Uint8Array} bytes the instruction's and, of an 80286, the HLT behind it
 * @property {State} initial
 * @property {State} final
 * @property {number | undefined} exception its vector, if there is one
 */

/**
 * @param {Uint8Array} file not compressed
 * @param {number} limit of vectors
 * @returns {Vector[]}
 */
export function readMoo(file, limit) {
  /** @type {Vector[]} */
  const vectors = [];
  for (const { tag, data } of chunks(file)) {
    if (vectors.length === limit) break;
    if (tag === "TEST") vectors.push(vectorOf(data.subarray(4)));
  }
  return vectors;
}

/** @param {Uint8Array} data */
function* chunks(data) {
  const view = viewOf(data);
  for (let at = 0; at + 8 <= data.length; ) {
    const tag = String.fromCharCode(...data.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    yield { tag, data: data.subarray(at + 8, at + 8 + length) };
    at += 8 + length;
  }
}

/** @param {Uint8Array} data */
const viewOf = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** @param {Uint8Array} data @returns {Vector} */
function vectorOf(data) {
  /** @type {Vector} */
  const vector = {
    name: "",
    bytes: new Uint8Array(0),
    initial: emptyState(),
    final: emptyState(),
    exception: undefined,
  };
  for (const { tag, data: part } of chunks(data)) {
    if (tag === "NAME") vector.name = String.fromCharCode(...part.subarray(4));
    if (tag === "BYTS") vector.bytes = part.subarray(4);
    if (tag === "INIT") vector.initial = stateOf(part);
    if (tag === "FINA") vector.final = stateOf(part);
    if (tag === "EXCP") vector.exception = part[0];
  }
  return vector;
}

/** @returns {State} */
const emptyState = () => ({ registers: {}, memory: [] });

/** @param {Uint8Array} data @returns {State} */
function stateOf(data) {
  const state = emptyState();
  for (const { tag, data: part } of chunks(data)) {
    if (tag === "REGS") readRegisters(viewOf(part), state);
    if (tag === "RAM ") readMemory(viewOf(part), state);
  }
  return state;
}

/**
 * @param {DataView} view
 * @param {State} into
 */
function readRegisters(view, into) {
  const present = view.getUint16(0, true);
  let at = 2;
  registerNames.forEach((name, bit) => {
    if ((present & (1 << bit)) === 0) return;
    into.registers[name] = view.getUint16(at, true);
    at += 2;
  });
}

/**
 * @param {DataView} view
 * @param {State} into
 */
function readMemory(view, into) {
  const count = view.getUint32(0, true);
  for (let n = 0; n < count; n++) {
    into.memory.push([view.getUint32(4 + 5 * n, true), view.getUint8(8 + 5 * n)]);
  }
}
