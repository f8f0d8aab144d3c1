import { checkVersion, type Device } from "../bus/device.ts";
import type { AccessSize, RegisterBlock } from "../bus/register-block.ts";
import * as spec from "../spec/fw-cfg.ts";

const VERSION = 1;

export interface FwCfgState {
  readonly version: number;
  selector: number;
  offset: number;
}

/** What the firmware is told. */
export interface FwCfgContents {
  readonly cpus: number;
  /** By name, at most 55 characters. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * fw_cfg: the firmware selects an item and reads its bytes one after the other. [QEMU docs/specs/fw_cfg.rst] Items cannot be
 * written, and there is no DMA.
 */
export class FwCfg implements Device<FwCfgState>, RegisterBlock {
  // config
  readonly name = "fw-cfg";
  readonly width = 2;
  private readonly items: ReadonlyMap<number, Uint8Array>;
  // state
  private selector = 0;
  private offset = 0;

  constructor(contents: FwCfgContents) {
    this.items = itemsOf(contents);
  }

  reset(): void {
    this.selector = 0;
    this.offset = 0;
  }

  snapshot(): FwCfgState {
    return { version: VERSION, selector: this.selector, offset: this.offset };
  }

  restore(state: FwCfgState): void {
    checkVersion(this.name, state, VERSION);
    this.selector = state.selector & 0xffff;
    this.offset = Math.max(0, Math.trunc(state.offset));
  }

  read(offset: number, size: AccessSize): number {
    return offset === spec.FW_CFG_DATA && size === 1 ? this.next() : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset !== spec.FW_CFG_SELECTOR || size !== 2) return;
    this.selector = value;
    this.offset = 0;
  }

  private next(): number {
    return this.items.get(this.selector)?.[this.offset++] ?? spec.FW_CFG_PAST_END;
  }
}

function itemsOf({ cpus, files }: FwCfgContents): Map<number, Uint8Array> {
  const count = Uint8Array.of(cpus & 0xff, cpus >> 8);
  const items = new Map([
    [spec.FW_CFG_SIGNATURE, text(spec.FW_CFG_SIGNATURE_TEXT)],
    [spec.FW_CFG_ID, Uint8Array.of(spec.FW_CFG_VERSION, 0, 0, 0)],
    [spec.FW_CFG_NB_CPUS, count],
    [spec.FW_CFG_MAX_CPUS, count],
    [spec.FW_CFG_FILE_DIR, directory(files)],
  ]);
  [...files.values()].forEach((bytes, index) => {
    items.set(spec.FW_CFG_FILE_FIRST + index, bytes);
  });
  return items;
}

function directory(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const { SIZE, SELECT, NAME, NAME_LENGTH, LENGTH } = spec.FW_CFG_ENTRY;
  const bytes = new Uint8Array(spec.FW_CFG_DIR_HEADER + files.size * LENGTH);
  const data = new DataView(bytes.buffer);
  data.setUint32(0, files.size);
  [...files].forEach(([name, content], index) => {
    const at = spec.FW_CFG_DIR_HEADER + index * LENGTH;
    data.setUint32(at + SIZE, content.length);
    data.setUint16(at + SELECT, spec.FW_CFG_FILE_FIRST + index);
    bytes.set(text(name).subarray(0, NAME_LENGTH - 1), at + NAME);
  });
  return bytes;
}

function text(words: string): Uint8Array {
  return Uint8Array.from(words, (character) => character.charCodeAt(0));
}
