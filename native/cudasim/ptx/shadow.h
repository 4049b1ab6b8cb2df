/*
 * What is known of memory beside its bytes: whether each byte was ever written, and for every two
 * bytes who of the running block wrote and read them last, so that two threads that access them
 * with no barrier in between are seen.
 */
#ifndef PTX_SHADOW_H
#define PTX_SHADOW_H

#include <cstddef>
#include <cstdint>

namespace ptx {

const unsigned GRAIN = 2; /* bytes that share a record of accesses */

/*
 * A record: when in the upper half, a mask of bytes and who in the lower. Times count up by one at
 * each barrier of the block or the warp that a host thread runs; its upper bits are the host thread's.
 */
typedef uint64_t Access;
const unsigned WHO_BITS = 12;
const uint32_t WHO_MASK = (1u << WHO_BITS) - 1;
const uint32_t SEVERAL_OF_WARP = 1024; /* plus the warp's number */
const uint32_t SEVERAL = 2047;

inline Access access_of(uint32_t when, unsigned bytes, uint32_t who) {
  return (uint64_t)when << 32 | (uint64_t)bytes << WHO_BITS | who;
}
inline uint32_t when_of(Access a) { return (uint32_t)(a >> 32); }
inline unsigned bytes_mask_of(Access a) { return (unsigned)(a >> WHO_BITS) & 3; }
inline uint32_t who_of(Access a) { return (uint32_t)a & WHO_MASK; }

/* A piece of memory that a kernel may access. */
struct Region {
  uint64_t begin = 0, end = 0;  /* addresses in its space */
  uint8_t *data = nullptr;      /* at begin */
  uint8_t *defined = nullptr;   /* 1 for each byte written, or null if all are taken for so */
  Access *writers = nullptr;    /* by grain; null: not watched */
  Access *readers = nullptr;
  bool constant = false;

  bool holds(uint64_t address, uint64_t bytes) const {
    return address >= begin && address <= end && bytes <= end - address;
  }
};

}  // namespace ptx

#endif
