import { UserError } from "../base/assert.ts";
import { assign, create } from "../base/struct-layout.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { boot_params, ENTRY_64_OFFSET, LOADER_UNDEFINED, setup_header } from "../spec/boot/linux.ts";
import { PCI_HOLE } from "../spec/x86/low-memory.ts";
import { allModules, type BootRequest, checkCommandLine } from "./boot-request.ts";
import { readableSize, utf8 } from "./bytes.ts";
import { type BzImage, parseBzImage } from "./bzimage.ts";
import { writeIdentityMap } from "./identity-map.ts";
import { type InitialState, longState, protectedState } from "./initial-state.ts";
import { Placement, roundUp } from "./placement.ts";
import { loadUnpacked } from "./unpacked-kernel.ts";

const PAGE = 0x1000;

/**
 * Loads a bzImage, or the kernel inside it, as the 64-bit or the 32-bit boot protocol asks. Both are entered with the same
 * registers and boot parameters. [Linux Documentation/arch/x86/boot.rst]
 */
export function loadLinux(memory: GuestMemory, request: BootRequest): InitialState {
  const kernel = parseBzImage(request.kernel, request.kernelName);
  const long = entersLongMode(kernel, request);
  const placement = new Placement(request.memoryMap);
  const initrd = onlyInitrd(request);
  checkRoom(kernel, initrd, request);
  placement.claim("the kernel", kernel.loadAddress, kernel.runtimeStart + kernel.initSize - kernel.loadAddress);
  const rip = placeKernel(memory, kernel, request, long);

  const params = zeroPage(kernel, request);
  placeCommandLine(memory, placement, params, kernel, request.commandLine);
  if (initrd) placeInitrd(memory, placement, params, kernel, initrd);
  const zeroPageAt = placement.placeBootData("the boot parameters", params.bytes.length);
  memory.write(zeroPageAt, params.bytes);

  const regs = { rip, rsi: zeroPageAt };
  if (!long) return protectedState(memory, placement, regs);
  const cr3 = writeIdentityMap(memory, placement);
  return longState(memory, placement, cr3, regs);
}

/** Fills the memory that the kernel has claimed; returns the address where it is entered. */
function placeKernel(memory: GuestMemory, kernel: BzImage, request: BootRequest, long: boolean): number {
  const { unpacked, kernelName, mode } = request;
  if (unpacked && mode === undefined) return loadUnpacked(memory, kernel, unpacked, kernelName);
  memory.write(kernel.loadAddress, kernel.image);
  return long ? kernel.loadAddress + ENTRY_64_OFFSET : kernel.loadAddress;
}

function entersLongMode(kernel: BzImage, request: BootRequest): boolean {
  if (kernel.kernel64 && !request.longMode)
    throw new UserError(
      `${request.kernelName} is a 64-bit kernel, but the machine has a 32-bit processor`,
      "Give a 32-bit kernel or a 64-bit processor.",
    );
  if (request.mode === "long64" && !kernel.kernel64)
    throw new UserError(`${request.kernelName} has no 64-bit entry`, "Enter it in 32-bit mode.");
  return kernel.kernel64 && request.mode !== "protected32";
}

function onlyInitrd(request: BootRequest): Uint8Array | undefined {
  const [initrd, ...others] = allModules(request);
  if (others.length > 0)
    throw new UserError("a Linux kernel takes one initrd and no modules", "Concatenate the archives to one file.");
  return initrd?.bytes;
}

/** Says in one message what the machine must have, before anything is placed. */
function checkRoom(kernel: BzImage, initrd: Uint8Array | undefined, request: BootRequest): void {
  const kernelEnd = roundUp(kernel.runtimeStart + kernel.initSize, PAGE);
  const needed = kernelEnd + roundUp(initrd?.length ?? 0, PAGE);
  const has = topOfLowMemory(request);
  if (needed <= has) return;
  const what = initrd
    ? `${request.kernelName} and its initrd (${readableSize(initrd.length)}) need`
    : `${request.kernelName} needs`;
  throw new UserError(
    `${what} ${readableSize(roundUp(needed, 2 ** 20))} of memory, the machine has ${readableSize(has)}`,
    needed <= PCI_HOLE
      ? `Give the machine at least ${Math.ceil(needed / 2 ** 20)} MiB of memory.`
      : "Use a smaller initrd: all must lie below 3 GiB.",
  );
}

/** The end of the RAM below the PCI hole. */
function topOfLowMemory(request: BootRequest): number {
  return Math.max(...request.memoryMap.map((entry) => entry.addr + entry.size).filter((end) => end <= PCI_HOLE));
}

/** boot_params with the file's header, the memory map and nothing of the initrd and command line yet. */
function zeroPage(kernel: BzImage, request: BootRequest) {
  const params = create(boot_params);
  params.hdr.bytes.set(kernel.header);
  assign(setup_header, params.hdr, { type_of_loader: LOADER_UNDEFINED, code32_start: kernel.loadAddress });
  const map = request.memoryMap.slice(0, params.e820_table.length);
  params.e820_entries = map.length;
  map.forEach(({ addr, size, type }, index) => {
    const entry = params.e820_table[index]!;
    entry.addr_num = addr;
    entry.size_num = size;
    entry.type = type;
  });
  params.acpi_rsdp_addr_num = request.rsdp ?? 0;
  return params;
}

type ZeroPage = ReturnType<typeof zeroPage>;

function placeCommandLine(
  memory: GuestMemory,
  placement: Placement,
  params: ZeroPage,
  kernel: BzImage,
  text: string,
): void {
  const bytes = utf8(text);
  checkCommandLine(bytes, kernel.commandLineSize);
  const at = placement.placeBootData("the command line", bytes.length + 1);
  memory.write(at, bytes);
  memory.writeU8(at + bytes.length, 0);
  params.hdr.cmd_line_ptr = at;
}

/** As high as possible, so that the kernel has room to unpack itself elsewhere. */
function placeInitrd(
  memory: GuestMemory,
  placement: Placement,
  params: ZeroPage,
  kernel: BzImage,
  initrd: Uint8Array,
): void {
  const to = Math.min(kernel.initrdAddrMax + 1, PCI_HOLE);
  const from = kernel.loadAddress;
  const at = placement.place("the initrd", { size: initrd.length, align: PAGE, from, to, prefer: "highest" });
  if (at === undefined)
    throw new UserError(
      `the initrd is too large: ${readableSize(initrd.length)}, but this kernel has it between ${readableSize(from)} and ${readableSize(to)} beside itself`,
      "Use a smaller initrd.",
    );
  memory.write(at, initrd);
  params.hdr.ramdisk_image = at;
  params.hdr.ramdisk_size = initrd.length;
}
