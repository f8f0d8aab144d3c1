// The helper library: everything that programs of the IR and the engine call.
export { code_map_find, code_map_set, find_block } from "./blocks";
export {
  fetch_translate, jump_cache_flush, load_slow, probe, read_mem, store_locked_slow, store_slow, tlb_flush, tlb_flush_nonglobal, tlb_flush_page,
  tlb_protect, tlb_select, translate, write_mem,
} from "./mmu";
