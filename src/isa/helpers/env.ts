// What the library asks of its host, the engine. cpu is the vCPU's base address.

/** A read of `width` bytes at a guest-physical address without memory: 1 if a chip of the engine answered (CPU.exitData). */
export declare function mmio_read(cpu: i32, addressLow: i32, addressHigh: i32, width: i32): i32;

/** The same for a write of CPU.exitData: 1 if a chip of the engine took it, 2 if it does when the instruction runs alone. */
export declare function mmio_write(cpu: i32, addressLow: i32, addressHigh: i32, width: i32): i32;

/** Code on this host page (host address >>> 12) was written: drops what was decoded from it. */
export declare function code_written(cpu: i32, hostPage: i32): void;

/** Decodes the block at a host address (linear address given too) and enters it in the code map: its record, or 0 with CPU.trap set. */
export declare function decode_block(cpu: i32, host: i32, linearLow: i32, linearHigh: i32): i32;

/** Whether the instruction at rip (of 64-bit mode) accesses CPU.notCanonical by way of the stack. */
export declare function uses_stack(cpu: i32): i32;

/** Whether a guest's RDMSR or WRMSR may be done, while CPU.msrPolicy is set: 0, 1 for #GP, 2 for an exit to user space. */
export declare function msr_allowed(cpu: i32, index: i32, write: i32): i32;

/** RDMSR of an MSR that has no state field: 0 (value in CPU.exitData), 1 for #GP, 2 for an exit to user space. */
export declare function msr_read(cpu: i32, index: i32): i32;

/** WRMSR of CPU.exitData to an MSR that has no state field: 0, 1 for #GP, 2 for an exit to user space. */
export declare function msr_write(cpu: i32, index: i32): i32;

/** CPUID: writes EAX, EBX, ECX and EDX to the first 16 bytes of CPU.scratch. */
export declare function cpuid(cpu: i32, leaf: i32, subleaf: i32): void;

/** The guest's time-stamp counter, into CPU.exitData. */
export declare function tsc(cpu: i32): void;

/** 64 random bits, into CPU.exitData. */
export declare function random_bits(cpu: i32): void;

/** A port read: 0 if a chip of the engine answered (CPU.exitData), 1 if user space has to. */
export declare function io_in(cpu: i32, port: i32, size: i32): i32;

/** A port write: 0 if a chip of the engine took it, 1 if user space has to. */
export declare function io_out(cpu: i32, port: i32, size: i32, value: i32): i32;

/** VMCALL and VMMCALL: arguments in the general registers; returns what RAX shall be. */
export declare function hypercall(cpu: i32): i32;
