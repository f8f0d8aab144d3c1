/** The bytes of a string in UTF-8; a lone surrogate becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) encode(scalarValue(character), bytes);
  return Uint8Array.from(bytes);
}

/** The same with a zero byte at the end, as C and boot protocols have it. */
export function zeroTerminated(text: string): Uint8Array {
  return utf8(text + "\0");
}

function scalarValue(character: string): number {
  const point = character.codePointAt(0)!;
  return point >= 0xd800 && point < 0xe000 ? 0xfffd : point;
}

function encode(point: number, bytes: number[]): void {
  if (point < 0x80) bytes.push(point);
  else if (point < 0x800) bytes.push(0xc0 | (point >> 6), tail(point));
  else if (point < 0x1_0000) bytes.push(0xe0 | (point >> 12), tail(point >> 6), tail(point));
  else bytes.push(0xf0 | (point >> 18), tail(point >> 12), tail(point >> 6), tail(point));
}

function tail(bits: number): number {
  return 0x80 | (bits & 0x3f);
}

/** The ASCII text at `offset`, up to a zero byte, `limit` characters or the end of the bytes. */
export function asciiAt(bytes: Uint8Array, offset: number, limit: number): string {
  const part = bytes.subarray(offset, offset + limit);
  const zero = part.indexOf(0);
  return String.fromCharCode(...(zero < 0 ? part : part.subarray(0, zero)));
}

/** Bytes as people read them: "512 bytes", "3.4 KiB", "71 MiB". */
export function readableSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const [unit, name] = bytes < 2 ** 20 ? [1024, "KiB"] : bytes < 2 ** 30 ? [2 ** 20, "MiB"] : [2 ** 30, "GiB"];
  const value = bytes / (unit as number);
  return `${Number.isInteger(value) || value >= 100 ? Math.ceil(value) : value.toFixed(1)} ${name}`;
}

/** The parts in one array. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
