import type { AccessSize } from "../bus/register-block.ts";
import type { ExitView } from "../kvm/exit.ts";
import { KVM_EXIT_IO, KVM_EXIT_IO_OUT, KVM_EXIT_IOAPIC_EOI, KVM_EXIT_MMIO } from "../spec/kvm/exit.ts";
import type { Board } from "./board.ts";

/** Does on the board what an exit asks or tells of: an access to a port or memory, an interrupt's end; false if it is another exit. */
export function answerAccess(board: Board, exit: ExitView): boolean {
  if (exit.reason === KVM_EXIT_IO) portAccess(board, exit);
  else if (exit.reason === KVM_EXIT_MMIO) memoryAccess(board, exit);
  else if (exit.reason === KVM_EXIT_IOAPIC_EOI) board.interruptEnded(exit.eoiVector);
  else return false;
  return true;
}

/** A string instruction comes as `count` items at one port. */
function portAccess({ ports }: Board, { io }: ExitView): void {
  const { port, count } = io;
  const size = io.size as AccessSize;
  if (io.direction === KVM_EXIT_IO_OUT) for (let i = 0; i < count; i++) ports.write(port, size, io.value(i));
  else for (let i = 0; i < count; i++) io.setValue(i, ports.read(port, size));
}

/** 1 to 8 bytes, in pieces of 4, 2 and 1 from the low end on; no piece spans the two halves. */
function memoryAccess(board: Board, { mmio }: ExitView): void {
  const { physAddr, length, isWrite, lo, hi } = mmio;
  let readLo = 0;
  let readHi = 0;
  for (let offset = 0, size: AccessSize; offset < length; offset += size) {
    size = pieceOf(length - offset);
    const shift = (offset & 3) * 8;
    if (isWrite) board.mmio.write(physAddr + offset, size, (offset < 4 ? lo : hi) >>> shift);
    else if (offset < 4) readLo |= board.mmio.read(physAddr + offset, size) << shift;
    else readHi |= board.mmio.read(physAddr + offset, size) << shift;
  }
  if (!isWrite) mmio.setValue(readLo, readHi);
}

function pieceOf(length: number): AccessSize {
  if (length >= 4) return 4;
  return length >= 2 ? 2 : 1;
}
