// What the library asks of its host, the engine. cpu is the vCPU's base address.

/** A read of `width` bytes at a guest-physical address without memory: 1 if a chip of the engine answered (CPU.exitData). */
@external("env", "mmio_read")
export declare function js_mmio_read(cpu: i32, addressLow: i32, addressHigh: i32, width: i32): i32;

/** The same for a write of CPU.exitData: 1 if a chip of the engine took it. */
@external("env", "mmio_write")
export declare function js_mmio_write(cpu: i32, addressLow: i32, addressHigh: i32, width: i32): i32;

/** Code on this host page (host address >>> 12) was written: drops what was decoded from it. */
@external("env", "code_written")
export declare function js_code_written(cpu: i32, hostPage: i32): void;

/** Decodes the block at a host address (linear address given too) and enters it in the code map: its record, or 0 with CPU.trap set. */
@external("env", "decode_block")
export declare function js_decode_block(cpu: i32, host: i32, linearLow: i32, linearHigh: i32): i32;
