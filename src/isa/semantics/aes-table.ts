/** The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. [FIPS 197 4.2] */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let x = a, y = b; y !== 0; y >>= 1, x = (x << 1) ^ (x & 0x80 ? 0x11b : 0)) if (y & 1) product ^= x;
  return product;
}

function inverse(a: number): number {
  for (let b = 1; b < 256; b++) if (multiply(a, b) === 1) return b;
  return 0;
}

/** The affine transformation of the inverse. [FIPS 197 5.1.1] */
function substitute(byte: number): number {
  const b = inverse(byte);
  const turned = (count: number): number => ((b << count) | (b >> (8 - count))) & 0xff;
  return b ^ turned(1) ^ turned(2) ^ turned(3) ^ turned(4) ^ 0x63;
}

/** SubBytes of every byte. */
export const substitution = Uint8Array.from({ length: 256 }, (_, byte) => substitute(byte));

/** InvSubBytes of every byte. */
export const inverseSubstitution = new Uint8Array(256);
substitution.forEach((to, from) => {
  inverseSubstitution[to] = from;
});
