/** A disk that begins with a boot sector, which writes to the debug-exit port. */
export function bootDisk(status: number): Uint8Array {
  const disk = new Uint8Array(1 << 20);
  disk.set([0xb0, status, 0xe6, 0xf4, 0xf4]); // mov al, status; out 0xf4, al; hlt
  disk.set([0x55, 0xaa], 510);
  return disk;
}
