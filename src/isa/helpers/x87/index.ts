// The x87 FPU: what programs of the IR call.
import {
  x87_compare_double,
  x87_compare_flags,
  x87_compare_integer,
  x87_compare_register,
  x87_compare_single,
} from "./compare.ts";
import {
  x87_initialize,
  x87_load_environment,
  x87_restore,
  x87_save,
  x87_set_control,
  x87_store_environment,
} from "./environment.ts";
import {
  x87_exchange,
  x87_load_constant,
  x87_load_decimal,
  x87_load_double,
  x87_load_extended,
  x87_load_integer,
  x87_load_register,
  x87_load_single,
  x87_move_if,
  x87_store,
  x87_store_if_present,
  x87_store_register,
} from "./load-store.ts";
import {
  x87_arithmetic_double,
  x87_arithmetic_integer,
  x87_arithmetic_register,
  x87_arithmetic_single,
} from "./operate.ts";
import { x87_opcode } from "./opcode.ts";
import { x87_unary } from "./unary.ts";

export {
  x87_arithmetic_double,
  x87_arithmetic_integer,
  x87_arithmetic_register,
  x87_arithmetic_single,
  x87_compare_double,
  x87_compare_flags,
  x87_compare_integer,
  x87_compare_register,
  x87_compare_single,
  x87_exchange,
  x87_initialize,
  x87_load_constant,
  x87_load_decimal,
  x87_load_double,
  x87_load_environment,
  x87_load_extended,
  x87_load_integer,
  x87_load_register,
  x87_load_single,
  x87_move_if,
  x87_restore,
  x87_save,
  x87_set_control,
  x87_store,
  x87_store_environment,
  x87_store_if_present,
  x87_store_register,
  x87_opcode,
  x87_unary,
};
