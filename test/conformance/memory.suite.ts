import { describe, expect, test } from "vitest";
import { KVM_CAP_NR_MEMSLOTS } from "../../src/spec/kvm/capability.ts";
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from "../../src/spec/kvm/vm-struct.ts";
import { Code, R } from "./assembler.ts";
import { AT, errnoOf, Guest, need, type Subject } from "./guest.ts";

const HLT = { exit: "KVM_EXIT_HLT" };
const PAGE = 0x1000;
/** Where tests put their own slot: beyond all else, in the first GiB. */
const PLACE = 0x10_0000;

/** Memory slots and dirty logs. */
export function memorySuite(makeSubject: () => Subject): void {
  const guestOf = (code: Code): Guest => new Guest(makeSubject(), "long").start(code);
  const long = (): Code => new Code(64, AT.code);
  const load = (address: number): Code => long().load(4, R.cx, address).hlt();

  describe("memory slots", () => {
    test("a slot may be added, deleted and moved between runs", () => {
      const guest = guestOf(
        long()
          .load(4, R.cx, PLACE)
          .load(4, R.bx, PLACE + PAGE)
          .hlt(),
      );
      const host = guest.addMemory(5, PLACE, PAGE);
      guest.vm.memory.writeU32(PLACE, 0x1111);
      expect(guest.next()).toEqual({ read: PLACE + PAGE, length: 4 });
      guest.next();

      guest.setSlot(5, PLACE + PAGE, PAGE, host);
      guest.setRegs({ rip: AT.code });
      expect(guest.next()).toEqual({ read: PLACE, length: 4 });
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rbx_num).toBe(0x1111);

      guest.setSlot(5, PLACE + PAGE, 0, host);
      guest.setRegs({ rip: AT.code });
      expect(guest.next()).toEqual({ read: PLACE, length: 4 });
      expect(guest.next()).toEqual({ read: PLACE + PAGE, length: 4 });
    });

    test("one piece of host memory may stand at two addresses", () => {
      const guest = guestOf(
        long()
          .storeImmediate(PLACE, 0x1234)
          .load(4, R.cx, 2 * PLACE)
          .hlt(),
      );
      const host = guest.addMemory(5, PLACE, PAGE);
      guest.setSlot(6, 2 * PLACE, PAGE, host);
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rcx_num).toBe(0x1234);
    });

    test("memory above 4 GiB", () => {
      const high = 0x1_2345_6000;
      const guest = new Guest(makeSubject(), "long");
      guest.addMemory(5, high, PAGE);
      const table = AT.pageTables + 2 * PAGE;
      guest.vm.memory.writeU64(table + 8 * 64, 0x1_2340_0000 + 0x83);
      guest.start(
        long()
          .storeImmediate(64 * 0x20_0000 + 0x5_6010, 0x77)
          .load(4, R.cx, 64 * 0x20_0000 + 0x5_7010)
          .hlt(),
      );
      expect(guest.next()).toEqual({ read: high + PAGE + 0x10, length: 4 });
      expect(guest.vm.memory.readU32(high + 0x10)).toBe(0x77);
    });

    test("what is wrong with a slot", () => {
      const guest = guestOf(load(0));
      const host = guest.addMemory(5, PLACE, 4 * PAGE);
      const set = (slot: number, gpa: number, size: number, at = host, flags = 0) =>
        errnoOf(() => guest.setSlot(slot, gpa, size, at, flags));
      expect(set(6, PLACE + 3 * PAGE, PAGE)).toBe("EEXIST");
      expect(set(6, PLACE - PAGE, 2 * PAGE)).toBe("EEXIST");
      expect(set(6, 2 * PLACE + 1, PAGE)).toBe("EINVAL");
      expect(set(6, 2 * PLACE, PAGE + 1)).toBe("EINVAL");
      expect(set(6, 2 * PLACE, PAGE, host + 1)).toBe("EINVAL");
      expect(set(6, 2 * PLACE, PAGE, host, 0x80)).toBe("EINVAL");
      expect(set(6, 2 * PLACE, 0)).toBe("EINVAL");
      expect(set(5, PLACE, 2 * PAGE)).toBe("EINVAL");
      expect(set(5, PLACE, 4 * PAGE, host, KVM_MEM_READONLY)).toBe("EINVAL");
      expect(set(0x7fff, 2 * PLACE, PAGE)).toBe("EINVAL");
      expect(errnoOf(() => guest.vm.munmap(host, 4 * PAGE))).toBe("EINVAL");
    });

    test("many slots, and none beyond KVM_CAP_NR_MEMSLOTS", () => {
      const { engine } = makeSubject();
      const guest = guestOf(load(0));
      const most = engine.checkExtension(KVM_CAP_NR_MEMSLOTS);
      const host = guest.vm.mmap(PAGE);
      const set = (slot: number) => guest.setSlot(slot, PLACE + slot * PAGE, PAGE, host);
      for (let slot = 2; slot < Math.min(most, 500); slot++) set(slot);
      if (most > 500) set(most - 1);
      expect(errnoOf(() => set(most))).toBe("EINVAL");
      expect(guest.next()).toEqual(HLT);
    });
  });

  describe("read-only slots", () => {
    const withRom = (code: Code): Guest => {
      const guest = guestOf(code);
      guest.addMemory(5, PLACE, PAGE, KVM_MEM_READONLY);
      guest.vm.memory.writeU32(PLACE, 0x1234);
      return guest;
    };

    test("reads run, writes leave as MMIO and change nothing", (context) => {
      need(context, makeSubject(), "KVM_CAP_READONLY_MEM");
      const guest = withRom(long().load(4, R.cx, PLACE).store(2, PLACE, R.cx).addTo(4, PLACE, R.cx).hlt());
      expect(guest.next()).toEqual({ write: PLACE, length: 2, data: 0x1234n });
      expect(guest.next()).toEqual({ write: PLACE, length: 4, data: 0x2468n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU32(PLACE)).toBe(0x1234);
    });

    test("code runs in it", (context) => {
      need(context, makeSubject(), "KVM_CAP_READONLY_MEM");
      const guest = withRom(long().hlt());
      guest.place(new Code(64, PLACE).mov(R.cx, 5).hlt());
      guest.setRegs({ rip: PLACE });
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rcx_num).toBe(5);
    });

    test("the same host memory in a writable slot is written", (context) => {
      need(context, makeSubject(), "KVM_CAP_READONLY_MEM");
      const guest = guestOf(
        long()
          .load(4, R.cx, PLACE)
          .storeImmediate(2 * PLACE, 0x55)
          .storeImmediate(PLACE, 0x66)
          .hlt(),
      );
      const host = guest.addMemory(5, PLACE, PAGE, KVM_MEM_READONLY);
      guest.setSlot(6, 2 * PLACE, PAGE, host);
      expect(guest.next()).toEqual({ write: PLACE, length: 4, data: 0x66n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU32(PLACE)).toBe(0x55);
    });
  });

  describe("dirty log", () => {
    const PAGES = 70;
    const logged = (code: Code): Guest => {
      const guest = guestOf(code);
      guest.addMemory(5, PLACE, PAGES * PAGE, KVM_MEM_LOG_DIRTY_PAGES);
      return guest;
    };
    /** Pages in the log, which is empty afterwards. */
    const dirty = (guest: Guest, slot = 5): number[] => {
      const bitmap = new Uint8Array(16);
      guest.vm.getDirtyLog(slot, bitmap);
      return Array.from({ length: 128 }, (_, page) => page).filter((page) => bitmap[page >> 3]! & (1 << (page & 7)));
    };

    test("the guest's writes, each page once until the log is read", () => {
      const program = long()
        .load(4, R.cx, PLACE)
        .storeImmediate(PLACE + PAGE, 1)
        .storeImmediate(PLACE + PAGE + 8, 2);
      program
        .storeImmediate(PLACE + 69 * PAGE, 3)
        .hlt()
        .storeImmediate(PLACE + PAGE, 4)
        .hlt();
      const guest = logged(program);
      expect(dirty(guest)).toEqual([]);
      guest.next();
      expect(dirty(guest)).toEqual([1, 69]);
      expect(dirty(guest)).toEqual([]);
      guest.next();
      expect(dirty(guest)).toEqual([1]);
    });

    test("a write across two pages", () => {
      const guest = logged(
        long()
          .storeImmediate(PLACE + 3 * PAGE - 2, 1)
          .hlt(),
      );
      guest.next();
      expect(dirty(guest)).toEqual([2, 3]);
    });

    test("REP STOS over pages", () => {
      const guest = logged(
        long()
          .mov(R.di, PLACE + 64)
          .mov(R.cx, 3 * PAGE)
          .string("stos", 1, true)
          .hlt(),
      );
      guest.next();
      expect(dirty(guest)).toEqual([0, 1, 2, 3]);
    });

    test("the host's writes", () => {
      const guest = logged(long().hlt());
      guest.vm.memory.writeU32(PLACE + 5 * PAGE, 1);
      guest.vm.memory.view(PLACE + 7 * PAGE, 4)!.fill(1);
      guest.vm.memory.written(PLACE + 7 * PAGE, 4);
      expect(dirty(guest)).toEqual([5, 7]);
    });

    test("accessed and dirty bits of page tables", () => {
      const guest = logged(long());
      const table = PLACE + PAGE;
      // 1 GiB - 2 MiB on is mapped by a table of small pages in the logged slot
      guest.vm.memory.writeU64(AT.pageTables + 2 * PAGE + 8 * 511, table | 7);
      guest.vm.memory.writeU64(table, AT.data | 7);
      const linear = 0x4000_0000 - 0x20_0000;
      guest.start(long().load(4, R.cx, linear).hlt().storeImmediate(linear, 1).hlt());
      dirty(guest);
      guest.next();
      expect(guest.vm.memory.readU64(table)).toBe(AT.data | 0x27);
      expect(dirty(guest)).toEqual([1]);
      guest.next();
      expect(guest.vm.memory.readU64(table)).toBe(AT.data | 0x67);
      expect(dirty(guest)).toEqual([1]);
    });

    test("the accessed bit of a table that is not the last", () => {
      const guest = logged(long());
      const directory = PLACE + 2 * PAGE;
      guest.vm.memory.writeU64(AT.pageTables + PAGE + 8, directory | 7);
      guest.vm.memory.writeU64(directory, (PLACE + 3 * PAGE) | 7);
      guest.vm.memory.writeU64(PLACE + 3 * PAGE, AT.data | 0x67);
      guest.start(long().load(4, R.cx, 0x4000_0000).hlt());
      dirty(guest);
      guest.next();
      expect(guest.vm.memory.readU64(directory) & 0x20).toBe(0x20);
      expect(dirty(guest)).toEqual([2]);
    });

    test("logging may begin and end", () => {
      const program = long().storeImmediate(PLACE, 1).hlt();
      const guest = guestOf(program);
      const host = guest.addMemory(5, PLACE, PAGE);
      guest.next();
      expect(errnoOf(() => dirty(guest))).toBe("ENOENT");
      guest.setSlot(5, PLACE, PAGE, host, KVM_MEM_LOG_DIRTY_PAGES);
      guest.setRegs({ rip: AT.code });
      guest.next();
      expect(dirty(guest)).toEqual([0]);
      guest.setSlot(5, PLACE, PAGE, host);
      guest.setRegs({ rip: AT.code });
      expect(guest.next()).toEqual(HLT);
      expect(errnoOf(() => dirty(guest, 9))).toBe("ENOENT");
    });
  });
}
