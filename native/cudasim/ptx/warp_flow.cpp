/*
 * How the threads of a warp go separate ways and come together again: those at the least
 * instruction run, so that they meet the others where the ways join.
 */
#include "warp_flow.h"

namespace ptx {

void set_mask(Warp &w, uint32_t mask) {
  w.mask = mask;
  w.full = mask == w.live;
  w.active = (unsigned)__builtin_popcount(mask);
  for (unsigned l = 0; l < LANES; l++) w.lanes[l] = -(int32_t)(mask >> l & 1);
  for (unsigned l = 0; l < LANES; l++) w.lanes64[l] = -(int64_t)(mask >> l & 1);
}

void settle(Warp &w) {
  if (w.mask) w.waiting.push_back({w.pc, w.mask, false});
  uint32_t least = ~0u, mask = 0, next = ~0u;
  for (const Waiting &one : w.waiting) {
    if (!one.parked && one.pc < least) least = one.pc;
  }
  size_t kept = 0;
  for (const Waiting &one : w.waiting) {
    if (!one.parked && one.pc == least) {
      mask |= one.mask;
    } else {
      if (!one.parked && one.pc < next) next = one.pc;
      w.waiting[kept++] = one;
    }
  }
  w.waiting.resize(kept);
  w.pc = least;
  w.next_pc = next;
  set_mask(w, mask);
}

void park(Warp &w) {
  w.waiting.push_back({w.pc, w.mask, true});
  w.mask = 0;
  settle(w);
}

void join_parked(Warp &w) {
  uint32_t mask = w.mask;
  size_t kept = 0;
  for (const Waiting &one : w.waiting) {
    if (one.parked && one.pc == w.pc) {
      mask |= one.mask;
    } else {
      w.waiting[kept++] = one;
    }
  }
  w.waiting.resize(kept);
  if (mask != w.mask) set_mask(w, mask);
}

}  // namespace ptx
