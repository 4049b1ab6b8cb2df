/* What a host thread needs for its blocks, and the rows that do not change within one. */
#include "block_limits.h"

namespace ptx {

Block::Block(Launch &l, unsigned worker, uint32_t *clock)
    : launch(&l), program(l.program), base_((worker + 1) << CLOCK_BITS), clock_(clock) {
  const size_t threads = (size_t)launch->block.count();
  const size_t count = (threads + LANES - 1) / LANES;
  const size_t rows = program->file_bytes / ROW;
  const size_t file = (program->file_bytes + 63) / 64 * 64;
  files_.resize(count * file + 64);
  masks_.resize(count * (rows + 2 * (size_t)program->predicates));
  uint8_t *const files = files_.data() + (64 - (uintptr_t)files_.data() % 64) % 64;
  warps.resize(count);
  for (size_t i = 0; i < count; i++) {
    Warp &w = warps[i];
    w.index = (uint32_t)i;
    w.block = this;
    w.rows = files + i * file;
    w.defined = masks_.data() + i * (rows + 2 * (size_t)program->predicates);
    w.predicates = w.defined + rows;
    w.predicates_defined = w.predicates + program->predicates;
    set_constants(w);
  }
  latest.assign(program->accesses, nullptr);
  const uint64_t bytes = program->shared_bytes + launch->dynamic_shared + 16;
  shared_bytes_.assign(bytes + 64, 0xcd);
  shared_defined_.assign(bytes, 0);
  shared_writers_.assign(bytes / GRAIN + 1, 0);
  shared_readers_.assign(bytes / GRAIN + 1, 0);
  shared.end = launch->shared_bytes();
  shared.data = shared_bytes_.data() + (64 - (uintptr_t)shared_bytes_.data() % 64) % 64;
  shared.defined = shared_defined_.data();
  shared.writers = shared_writers_.data();
  shared.readers = shared_readers_.data();
  parameters.end = launch->parameters.size();
  parameters.data = launch->parameters.data();
  parameters.constant = true;
  local_bytes = program->entry->local_bytes;
  local.assign(count * LANES * local_bytes, 0xcd);
  local_defined.assign(local.size(), 0);
}

namespace {
template <class F> void each(uint8_t *row, F f) {
  for (unsigned l = 0; l < LANES; l++) ((uint32_t *)row)[l] = (uint32_t)f(l);
}
}  // namespace

void Block::set_constants(Warp &w) {
  for (const Constant &one : program->constants) {
    for (unsigned l = 0; l < LANES; l++) {
      if (one.wide) {
        ((uint64_t *)(w.rows + one.row))[l] = one.bits;
      } else {
        ((uint32_t *)(w.rows + one.row))[l] = (uint32_t)one.bits;
      }
    }
    w.defined[one.row / ROW] = ~0u;
  }
  for (const SpecialRow &one : program->specials) w.defined[one.row / ROW] = ~0u;
}

void Block::set_specials(Warp &w) {
  const Size3 size = launch->block, grid = launch->grid;
  for (const SpecialRow &one : program->specials) {
    each(w.rows + one.row, [&](unsigned l) -> uint64_t {
      const uint32_t t = w.thread(l);
      switch (one.what) {
        case Special::TID_X: return t % size.x;
        case Special::TID_Y: return t / size.x % size.y;
        case Special::TID_Z: return t / size.x / size.y;
        case Special::NTID_X: return size.x;
        case Special::NTID_Y: return size.y;
        case Special::NTID_Z: return size.z;
        case Special::CTAID_X: return index.x;
        case Special::CTAID_Y: return index.y;
        case Special::CTAID_Z: return index.z;
        case Special::NCTAID_X: return grid.x;
        case Special::NCTAID_Y: return grid.y;
        case Special::NCTAID_Z: return grid.z;
        case Special::LANEID: return l;
        case Special::WARPID: return w.index;
        case Special::NWARPID: return (uint32_t)warps.size();
        case Special::LANEMASK_EQ: return 1u << l;
        case Special::LANEMASK_LT: return (1u << l) - 1;
        case Special::LANEMASK_LE: return (2u << l) - 1;
        case Special::LANEMASK_GT: return ~((2u << l) - 1);
        case Special::LANEMASK_GE: return ~((1u << l) - 1);
        case Special::DYNAMIC_SMEM: return launch->dynamic_shared;
        default: return launch->shared_bytes();
      }
    });
  }
}

}  // namespace ptx
