// Decodes byte strings with Zydis. Reads records of 16 bytes, the code size in bits and 15 bytes of code, and writes a line
// for each: "-" if there is no instruction, else length, ISA extension, mnemonic, visible register operands, memory operand
// as segment, base, index, scale, displacement and address size, and the first immediate with its size in bits.
#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *name_of(ZydisRegister reg) { return reg == ZYDIS_REGISTER_NONE ? "none" : ZydisRegisterGetString(reg); }

static void print_registers(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands) {
  int printed = 0;
  for (int n = 0; n < insn->operand_count_visible; n++) {
    if (operands[n].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    printf("%s%s", printed++ ? "," : " ", name_of(operands[n].reg.value));
  }
  if (!printed) printf(" -");
}

static void print_memory(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands) {
  for (int n = 0; n < insn->operand_count_visible; n++) {
    const ZydisDecodedOperand *operand = &operands[n];
    if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    printf(" %s:%s:%s:%d:%" PRIx64 ":%d", name_of(operand->mem.segment), name_of(operand->mem.base),
           name_of(operand->mem.index), operand->mem.scale,
           operand->mem.disp.has_displacement ? (uint64_t)operand->mem.disp.value : 0, insn->address_width);
    return;
  }
  printf(" -");
}

static void print_line(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands) {
  printf("%d %s %s", insn->length, ZydisISAExtGetString(insn->meta.isa_ext), ZydisMnemonicGetString(insn->mnemonic));
  print_registers(insn, operands);
  print_memory(insn, operands);
  printf(" %" PRIx64 ":%d\n", insn->raw.imm[0].value.u, insn->raw.imm[0].size);
}

int main(void) {
  ZydisDecoder decoders[3];
  ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
  ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
  ZydisDecoderInit(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  uint8_t record[16];
  while (fread(record, sizeof record, 1, stdin) == 1) {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const ZydisDecoder *decoder = &decoders[record[0] == 64 ? 2 : record[0] == 32];
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, record + 1, 15, &insn, operands))) print_line(&insn, operands);
    else puts("-");
  }
  return 0;
}
