/*
 * What the CUDA kernels share: the tables that tell a block what to work on, and the few words that
 * let the same source run on the host, in the simulator of native/cudasim.
 *
 * A kernel is written in phases. WS_THREADS(t) is one phase, done by every thread of the block;
 * WS_BARRIER() ends it. What outlives a phase lies in shared memory or is the same for all threads.
 * So on the host a phase is a loop, and a block needs one thread.
 *
 * The layout of every struct is known to io.warmstep.backend.cuda.Layout.
 */
#ifndef WS_GRID_CUH
#define WS_GRID_CUH

#include "portable.h"

enum {
  WS_BLOCK = 256,       /* threads of a block, in every kernel */
  WS_TILE = 2048,       /* elements that a block updates */
  WS_LEAF = 4096,       /* elements of a leaf of the norm's tree, and children of a node */
  WS_INLINE_GROUPS = 16 /* groups whose scalars travel with the launch */
};

#if defined(__CUDACC__)
#define WS_DEVICE static __device__ __forceinline__
#define WS_KERNEL extern "C" __global__ void __launch_bounds__(WS_BLOCK)
#define WS_DEVICE_MEMBER __device__ __forceinline__
#define WS_SHARED __shared__
#define WS_THREADS(t) for (int t = (int)threadIdx.x, once_##t = 1; once_##t; once_##t = 0)
#define WS_BARRIER() __syncthreads()
#define WS_UNROLL _Pragma("unroll")
#define WS_BLOCK_INDEX ((int)blockIdx.x)
#define WS_LIST(kernel, Arguments)
#else
#include "host_grid.h"
#endif

/* Which part of which tensor a block works on. */
struct Tile {
  int tensor;
  int index;
};

/* Result of the norm, read by the update and, if asked for, by the host. */
struct NormResult {
  double norm;         /* of the unscaled gradients, before clipping */
  double double_scale; /* what float64 gradients are multiplied by: unscaling and clipping */
  float float_scale;   /* the same for float32 */
  int skip;            /* whether the step must change nothing */
};

/* 16 bytes of elements. */
template <typename T> struct Vector;
template <> struct Vector<float> {
  typedef float4 Type;
  enum { COUNT = 4 };
  WS_DEVICE void unpack(float4 from, float *to) {
    to[0] = from.x, to[1] = from.y, to[2] = from.z, to[3] = from.w;
  }
  WS_DEVICE float4 pack(const float *from) {
    return make_float4(from[0], from[1], from[2], from[3]);
  }
};
template <> struct Vector<double> {
  typedef double2 Type;
  enum { COUNT = 2 };
  WS_DEVICE void unpack(double2 from, double *to) { to[0] = from.x, to[1] = from.y; }
  WS_DEVICE double2 pack(const double *from) { return make_double2(from[0], from[1]); }
};

#endif
