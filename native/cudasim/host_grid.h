/*
 * The words of kernels/grid.cuh on the host: a phase is a loop over the block's threads. So a
 * missing barrier would change nothing; instead the order of the words is checked, and a phase or a
 * read without the barrier that it needs is a violation. What cannot be checked is whether
 * WS_UNSHARED says the truth, and whether a phase's threads use what others of them write: they run
 * upwards in even blocks and downwards in odd ones, which changes the results of most such mistakes.
 */
#ifndef CUDASIM_HOST_GRID_H
#define CUDASIM_HOST_GRID_H

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>

#include "approximate.h"

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(8) ushort4 {
  unsigned short x, y, z, w;
};
static inline ushort4 make_ushort4(
    unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
  return {x, y, z, w};
}
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }

/* Set for each block by the launcher. */
extern thread_local int cudasim_block;

/* What the block has done since its last barrier. */
enum SinceBarrier { NOTHING, READ_SHARED, PHASE };
extern thread_local SinceBarrier cudasim_since;
extern thread_local bool cudasim_in_phase;

/* Counted each time, printed once a place. */
void grid_violation(const char *file, int line, const char *what);

static inline void begin_block(int block) {
  cudasim_block = block;
  cudasim_since = NOTHING;
  cudasim_in_phase = false;
}

static inline int begin_phase(const char *file, int line) {
  if (cudasim_in_phase) grid_violation(file, line, "a phase within a phase");
  if (cudasim_since != NOTHING) grid_violation(file, line, "a phase without a barrier before it");
  cudasim_in_phase = true;
  return 0;
}

static inline bool end_phase() {
  cudasim_in_phase = false;
  cudasim_since = PHASE;
  return false;
}

static inline void read_shared(const char *file, int line) {
  if (cudasim_in_phase) grid_violation(file, line, "a read of the whole block within a phase");
  if (cudasim_since == PHASE) grid_violation(file, line, "a read without a barrier before it");
  cudasim_since = READ_SHARED;
}

static inline void separate(const char *file, int line) {
  if (cudasim_in_phase) grid_violation(file, line, "a barrier within a phase");
  cudasim_since = NOTHING;
}

/* Runs the blocks of a grid with a copy of the arguments. */
template <class Arguments, void (*KERNEL)(const Arguments)>
static void run(const void *bytes, unsigned blocks) {
  Arguments arguments;
  std::memcpy(&arguments, bytes, sizeof arguments);
  for (unsigned block = 0; block < blocks; block++) {
    begin_block((int)block);
    KERNEL(arguments);
  }
}

/* The largest of the words of a thread and the 7 beside it. */
static inline unsigned near_max(const unsigned *words, int t) {
  unsigned largest = 0;
  for (int i = t & ~7; i < (t | 7) + 1; i++) largest = words[i] > largest ? words[i] : largest;
  return largest;
}

static inline unsigned shift_left(unsigned upper, unsigned lower, int by) {
  return (unsigned)(((unsigned long long)upper << 32 | lower) << by >> 32);
}
static inline unsigned shift_right(unsigned upper, unsigned lower, int by) {
  return (unsigned)(((unsigned long long)upper << 32 | lower) >> by);
}

struct Listed {
  Listed(const char *name, size_t argument_bytes, void (*run)(const void *, unsigned));
};

#define WS_DEVICE static inline
#define WS_DEVICE_MEMBER inline
#define WS_KERNEL extern "C" void
#define WS_KERNEL_FOR(blocks) WS_KERNEL
#define WS_KERNEL_WITHIN(registers) WS_KERNEL
#define WS_SHARED static thread_local
/* Not in the thread's own storage, which a library that is loaded first takes from every stack. */
#define WS_SHARED_ARRAY(Type, name, count)                                               \
  static thread_local const std::unique_ptr<Type[]> name##_owner(new Type[count]());     \
  Type *const name = name##_owner.get();
#define WS_DYNAMIC_ARRAY(Type, name, count) WS_SHARED_ARRAY(Type, name, count)
#define WS_THREADS(t)                                     \
  for (int count_##t = begin_phase(__FILE__, __LINE__),   \
           t = (cudasim_block & 1) ? WS_BLOCK - 1 : 0;    \
       count_##t < WS_BLOCK || end_phase();               \
       count_##t++, t += (cudasim_block & 1) ? -1 : 1)
#define WS_BARRIER() separate(__FILE__, __LINE__)
#define WS_UNSHARED() separate(__FILE__, __LINE__)
#define WS_UNIFORM(value) (read_shared(__FILE__, __LINE__), (value))
#define WS_OWN(Type, name) WS_SHARED_ARRAY(Type, name, WS_BLOCK)
#define WS_MY(name, t) name[t]
#define WS_NEAR_MAX(name, t) near_max(name, t)
#define WS_RECIPROCAL_ABOUT(x) approximate::reciprocal(x)
#define WS_ROOT_ABOUT(x) approximate::root(x)
#define WS_NORMAL_ROOT_ABOUT(x) approximate::normal_root(x)
#define WS_SHIFT_LEFT(upper, lower, by) shift_left(upper, lower, by)
#define WS_SHIFT_RIGHT(upper, lower, by) shift_right(upper, lower, by)
#define WS_UNROLL
#define WS_ROLLED
#define WS_UNROLLED_BY(count)
#define WS_BLOCK_INDEX cudasim_block
#define WS_BLOCK_INDEX_AGAIN WS_BLOCK_INDEX
#define WS_THREAD_AGAIN(t) (t)
#define WS_ASSUME_GLOBAL(address) (void)(address)
#define WS_STORED(row, OPERAND) (row)->stored[OPERAND]
#define WS_AVERAGE(row) (row)->average
#define WS_IS_FIRST(kernel, arguments) ((arguments).is_first != 0)
#define WS_DEFINE_IS_FIRST(kernel)
#define WS_ROWS(kernel, arguments, member) (arguments).member
#define WS_BLOCKS_OF_16_BITS(blocks)
#define WS_DEFINE_ROWS(kernel, T, Arguments, member)
#define WS_OPAQUE(address) (void)(address)
#define WS_HOST_FENCE() std::atomic_thread_fence(std::memory_order_seq_cst)
#define WS_LOAD_FRESH(address) (*(address))
/* Blocks run one after the other. */
#define WS_ARRIVE(counter, blocks) (*(counter) = (*(counter) + 1) % (unsigned)(blocks), *(counter) == 0)

/* Puts a kernel into the simulator's list. */
#define WS_LIST(kernel, Arguments) WS_LIST_NAMED(kernel, Arguments)
#define WS_LIST_NAMED(kernel, Arguments) \
  static const Listed listed_##kernel(#kernel, sizeof(Arguments), run<Arguments, kernel>);

#endif
