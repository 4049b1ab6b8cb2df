/*
 * The words of kernels/grid.cuh on the host: a phase is a loop over the block's threads. Threads
 * run upwards in even blocks and downwards in odd ones, so that a missing barrier shows.
 */
#ifndef CUDASIM_HOST_GRID_H
#define CUDASIM_HOST_GRID_H

#include <cstddef>
#include <cstring>

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
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

/* Runs the blocks of a grid with a copy of the arguments. */
template <class Arguments, void (*KERNEL)(const Arguments)>
static void run(const void *bytes, unsigned blocks) {
  Arguments arguments;
  std::memcpy(&arguments, bytes, sizeof arguments);
  for (unsigned block = 0; block < blocks; block++) {
    cudasim_block = (int)block;
    KERNEL(arguments);
  }
}

struct Listed {
  Listed(const char *name, size_t argument_bytes, void (*run)(const void *, unsigned));
};

#define WS_DEVICE static inline
#define WS_DEVICE_MEMBER inline
#define WS_KERNEL extern "C" void
#define WS_KERNEL_HALF WS_KERNEL
#define WS_SHARED static thread_local
#define WS_THREADS(t)                                                                \
  for (int count_##t = 0, t = (cudasim_block & 1) ? WS_BLOCK - 1 : 0; count_##t < WS_BLOCK; \
       count_##t++, t += (cudasim_block & 1) ? -1 : 1)
#define WS_BARRIER() (void)0
#define WS_UNROLL
#define WS_ROLLED
#define WS_BLOCK_INDEX cudasim_block
#define WS_ASSUME_GLOBAL(address) (void)(address)

/* Puts a kernel into the simulator's list. */
#define WS_LIST(kernel, Arguments) WS_LIST_NAMED(kernel, Arguments)
#define WS_LIST_NAMED(kernel, Arguments) \
  static const Listed listed_##kernel(#kernel, sizeof(Arguments), run<Arguments, kernel>);

#endif
