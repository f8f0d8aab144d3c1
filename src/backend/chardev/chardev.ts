/** No byte of input is waiting. */
export const NO_INPUT = -1;

/**
 * The outside of a character device, as the device's thread sees it. Input is pulled: a device takes a byte when it has
 * room for one, so what it does not take waits outside, and no byte is lost either way.
 */
export interface CharBackend {
  /** Sends one byte (0 to 255) out. Where the outside is slow it waits; it never drops the byte. */
  write(byte: number): void;
  /** Takes the next byte of input, or NO_INPUT. */
  read(): number;
}

/** Connected to nothing: output vanishes, input never comes. */
export const nullBackend: CharBackend = {
  write() {},
  read: () => NO_INPUT,
};
