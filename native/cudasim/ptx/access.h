/*
 * Which memory an address is, and the records of who accessed it: what loads, stores and atomics
 * share. Local to each source file, as ops.h.
 */
#ifndef PTX_ACCESS_H
#define PTX_ACCESS_H

#include <cstdio>

#include "ops.h"

namespace ptx {
namespace PTX_ISA {

/* Memory behind an address. */
struct Place {
  const Region *region;
  uint64_t offset; /* from the region's begin */

  uint8_t *data() const { return region->data + offset; }
};

static inline std::string number(uint64_t n) { return std::to_string((unsigned long long)n); }

static inline std::string hexadecimal(uint64_t n) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", (unsigned long long)n);
  return text;
}

/* The region of global memory that an address is in, or the one below it, or null. */
static inline const Region *region_below(const Warp &w, uint64_t address) {
  const std::vector<Region> &regions = w.block->launch->regions;
  size_t low = 0, high = regions.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (regions[middle].begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? nullptr : &regions[low - 1];
}

[[noreturn]] static inline void out_of_bounds(
    Warp &w, unsigned lane, const Region *region, uint64_t address, unsigned size,
    const char *space) {
  std::string what = "accesses " + number(size) + " bytes at " + space + hexadecimal(address);
  if (!region) {
    what += ", which is in no allocation";
  } else if (address >= region->end) {
    what += ", " + number(address - region->end) + " bytes after the end of " +
            number(region->end - region->begin);
  } else {
    what += ", of which " + number(address + size - region->end) + " are after the end of " +
            number(region->end - region->begin);
  }
  w.block->fault(w, lane, Fault::BOUNDS, what);
  throw Stop{Fault::BOUNDS};
}

static inline void misaligned(Warp &w, unsigned lane, uint64_t address, unsigned size) {
  w.block->fault(
      w, lane, Fault::MISALIGNED,
      "accesses " + number(size) + " bytes at " + hexadecimal(address) + ", no multiple of them");
}

/* Of a space that the instruction names, or of the one that a generic address is in. */
ALWAYS Place global_place(Warp &w, const Instr &in, unsigned lane, uint64_t at, unsigned size) {
  const Region *region = w.block->latest[in.access];
  if (!region || !region->holds(at, size)) {
    region = region_below(w, at);
    if (!region || !region->holds(at, size)) out_of_bounds(w, lane, region, at, size, "");
    w.block->latest[in.access] = region;
  }
  return {region, at - region->begin};
}

static inline Place block_place(
    Warp &w, unsigned lane, const Region &region, uint64_t at, unsigned size, const char *space) {
  if (!region.holds(at, size)) {
    out_of_bounds(w, lane, &region, at, size, space);
  }
  return {&region, at};
}

/* A thread's own memory lies after that of the one before it. */
static inline Place local_place(Warp &w, unsigned lane, uint64_t at, unsigned size) {
  Block &block = *w.block;
  Region &own = block.local_of_lane[lane];
  own.begin = 0;
  own.end = block.local_bytes;
  own.data = block.local.data() + w.thread(lane) * block.local_bytes;
  own.defined = block.local_defined.data() + w.thread(lane) * block.local_bytes;
  return block_place(w, lane, own, at, size, "local address ");
}

static inline Place place(Warp &w, const Instr &in, unsigned lane, uint64_t at, unsigned size) {
  if ((at & (size - 1)) != 0) misaligned(w, lane, at, size);
  Space space = in.space;
  if (space == Space::GENERIC) {
    const uint64_t window = at & WINDOW_MASK;
    space = window == SHARED_WINDOW  ? Space::SHARED
            : window == LOCAL_WINDOW ? Space::LOCAL
            : window == PARAM_WINDOW ? Space::PARAM
                                     : Space::GLOBAL;
    if (space != Space::GLOBAL) at -= window;
  }
  switch (space) {
    case Space::SHARED:
      return block_place(w, lane, w.block->shared, at, size, "shared address ");
    case Space::PARAM:
      return block_place(w, lane, w.block->parameters, at, size, "parameter address ");
    case Space::LOCAL: return local_place(w, lane, at, size);
    default: return global_place(w, in, lane, at, size);
  }
}

ALWAYS void addresses_of(Warp &w, const Instr &in, uint64_t *at) {
  if (in.narrow_base) {
    const uint32_t *base = row<uint32_t>(w, in.base), offset = (uint32_t)in.offset;
    EACH_LANE(l) at[l] = base[l] + offset;
  } else {
    const uint64_t *base = row<uint64_t>(w, in.base), offset = (uint64_t)in.offset;
    EACH_LANE(l) at[l] = base[l] + offset;
  }
  const uint32_t unset = w.mask & ~defined(w, in.base);
  if (unset) {
    w.block->fault(w, (unsigned)__builtin_ctz(unset), Fault::UNSET,
                   "uses an address that was never set");
  }
}

/* --- Records of accesses */

ALWAYS uint32_t warp_of(uint32_t who) {
  return who < MOST_THREADS ? who / LANES : who - SEVERAL_OF_WARP;
}

ALWAYS bool is_recent(const Block &block, Access a) {
  return when_of(a) - block.since <= block.now - block.since;
}

/* Whether nothing came between another thread's access and one now. */
ALWAYS bool conflicts(const Warp &w, Access a, uint32_t who, unsigned bytes) {
  if (!is_recent(*w.block, a) || who_of(a) == who || !(bytes_mask_of(a) & bytes)) return false;
  return warp_of(who_of(a)) != w.index || when_of(a) == w.time;
}

static inline std::string name_of_who(uint32_t who) {
  if (who < MOST_THREADS) return "thread " + number(who);
  if (who == SEVERAL) return "several threads";
  return "several threads of warp " + number(who - SEVERAL_OF_WARP);
}

static inline void race(Warp &w, unsigned lane, const char *what, Access other) {
  w.block->fault(w, lane, Fault::RACE,
                 std::string(what) + name_of_who(who_of(other)) + ", with no barrier in between");
}

ALWAYS unsigned grain_bytes(uint64_t offset, unsigned size) {
  return size == 1 ? 1u << (offset & 1) : 3u;
}

static inline void note_read(
    Warp &w, const Region &region, uint64_t offset, unsigned size, unsigned lane, uint32_t who) {
  if (!region.writers) return;
  const unsigned bytes = grain_bytes(offset, size);
  for (uint64_t g = offset / GRAIN; g <= (offset + size - 1) / GRAIN; g++) {
    if (conflicts(w, region.writers[g], who, bytes)) {
      race(w, lane, "reads what was written by ", region.writers[g]);
    }
    const Access before = region.readers[g];
    uint32_t readers = who;
    unsigned all = bytes;
    if (is_recent(*w.block, before)) {
      all |= bytes_mask_of(before);
      if (who_of(before) != who) {
        if (warp_of(who_of(before)) != w.index) {
          readers = SEVERAL;
        } else if (when_of(before) == w.time) {
          readers = SEVERAL_OF_WARP + w.index;
        }
      }
    }
    region.readers[g] = access_of(w.time, all, readers);
  }
}

/* changes: whether other bytes are written than are there. */
static inline void note_write(
    Warp &w, const Region &region, uint64_t offset, unsigned size, unsigned lane, bool changes) {
  if (!region.writers) return;
  const unsigned bytes = grain_bytes(offset, size);
  const uint32_t who = w.thread(lane);
  for (uint64_t g = offset / GRAIN; g <= (offset + size - 1) / GRAIN; g++) {
    const Access before = region.writers[g];
    if (changes && conflicts(w, before, who, bytes)) {
      race(w, lane, "writes what was written by ", before);
    }
    if (conflicts(w, region.readers[g], who, bytes)) {
      race(w, lane, "writes what was read by ", region.readers[g]);
    }
    const bool adds = who_of(before) == who && when_of(before) == w.time;
    region.writers[g] = access_of(w.time, adds ? bytes | bytes_mask_of(before) : bytes, who);
  }
}

/* For an atomic access, which conflicts with others only. */
static inline void note_atomic(
    Warp &w, const Region &region, uint64_t offset, unsigned size, unsigned lane) {
  if (!region.writers) return;
  for (uint64_t g = offset / GRAIN; g <= (offset + size - 1) / GRAIN; g++) {
    if (conflicts(w, region.writers[g], w.thread(lane), 3)) {
      race(w, lane, "atomically accesses what was written by ", region.writers[g]);
    }
    if (conflicts(w, region.readers[g], w.thread(lane), 3)) {
      race(w, lane, "atomically accesses what was read by ", region.readers[g]);
    }
  }
}

/*
 * The same for a whole warp whose lanes access size bytes each, one after the other. False, with
 * nothing noted, where another thread's recent access makes it a matter for the functions above.
 */
template <bool WRITES> ALWAYS bool note_row(
    Warp &w, const Region &region, uint64_t offset, unsigned size) {
  if (!region.writers) return true;
  if (size < GRAIN) return false;
  const unsigned grains = size / GRAIN, n = LANES * grains;
  const unsigned shift = (unsigned)__builtin_ctz(grains);
  Access *writers = region.writers + offset / GRAIN, *readers = region.readers + offset / GRAIN;
  const uint32_t since = w.block->since, span = w.block->now - since, first = w.index * LANES;
  uint32_t suspects = 0;
  for (unsigned g = 0; g < n; g++) {
    const uint32_t who = first + (g >> shift);
    suspects |= (uint32_t)(when_of(writers[g]) - since <= span) & (who_of(writers[g]) != who);
    suspects |= (uint32_t)(when_of(readers[g]) - since <= span) & (who_of(readers[g]) != who);
  }
  if (suspects) return false;
  Access *noted = WRITES ? writers : readers;
  const Access base = access_of(w.time, 3, first);
  for (unsigned g = 0; g < n; g++) noted[g] = base + (g >> shift);
  return true;
}

}  // namespace PTX_ISA
}  // namespace ptx

#endif
