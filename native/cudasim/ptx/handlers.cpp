/* Which of an instruction set's code has a handler: compiled with each of them. */
#include "ops.h"

namespace ptx {
namespace PTX_ISA {

static void nothing(Warp &, const Instr &) {}

Handler find_handler(const Key &key) {
  if (key.op == Op::NOTHING) return nothing;
  if (Handler found = move_handler(key)) return found;
  if (Handler found = memory_handler(key)) return found;
  if (Handler found = warp_handler(key)) return found;
  if (Handler found = compare_handler(key)) return found;
  if (Handler found = convert_handler(key)) return found;
  if (Handler found = float_handler(key)) return found;
  if (Handler found = bit_handler(key)) return found;
  return integer_handler(key);
}

}  // namespace PTX_ISA
}  // namespace ptx
