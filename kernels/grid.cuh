/*
 * What the CUDA kernels share: the tables that tell a block what to work on, and the few words that
 * let the same source run on the host, in the simulator of native/cudasim.
 *
 * A kernel is written in phases. WS_THREADS(t) is one phase, done by every thread of the block;
 * WS_BARRIER() ends it. What outlives a phase lies in shared memory or is the same for all threads:
 * outside of phases shared memory is read by WS_UNIFORM(value) alone, after a barrier. So on the
 * host a phase is a loop, and a block needs one thread. What a thread keeps for itself from phase to
 * phase is declared by WS_OWN and used as WS_MY(name, t). WS_UNSHARED() stands where a phase needs no
 * barrier before it, because it uses no shared memory that was used since the last one. WS_NEAR_MAX(name,
 * t) is the largest of what 8 threads beside each other keep in a word of type unsigned, once a phase has
 * set it; all threads of the block ask for it, or none.
 */
#ifndef WS_GRID_CUH
#define WS_GRID_CUH

#include "portable.h"

#include "half.h"

#if defined(__CUDACC__)
#define WS_DEVICE static __device__ __forceinline__
#define WS_KERNEL extern "C" __global__ void __launch_bounds__(WS_BLOCK)
/* With the least number of blocks on a multiprocessor: assemblers that are not told spill registers
   to fit one more. 0 tells nothing. */
#define WS_KERNEL_FOR(blocks) extern "C" __global__ void __launch_bounds__(WS_BLOCK, blocks)
/* With at most so many registers, where assemblers would take more than a kernel needs. Blocks are as
   large as in the others, but nvcc does not take both bounds. */
#define WS_KERNEL_WITHIN(registers) extern "C" __global__ void __maxnreg__(registers)
#define WS_DEVICE_MEMBER __device__ __forceinline__
#define WS_SHARED __shared__
#define WS_SHARED_ARRAY(Type, name, count) __shared__ Type name[count];
/* Shared memory that a launch has for it. */
#define WS_DYNAMIC_ARRAY(Type, name, count) Type *const name = (Type *)dynamic_memory;
#define WS_THREADS(t) for (int t = (int)threadIdx.x, once_##t = 1; once_##t; once_##t = 0)
#define WS_BARRIER() __syncthreads()
#define WS_UNSHARED() (void)0
#define WS_UNIFORM(value) (value)
#define WS_OWN(Type, name) Type name;
#define WS_MY(name, t) name
#define WS_NEAR_MAX(name, t) near_max(name)
/* The upper and the lower word of two after a shift by 1 to 32 bits. */
#define WS_SHIFT_LEFT(upper, lower, by) __funnelshift_lc(lower, upper, by)
#define WS_SHIFT_RIGHT(upper, lower, by) __funnelshift_rc(lower, upper, by)
/* Of positive finite numbers, off by at most 2^-23 of the result (PTX ISA, rcp.approx and sqrt.approx). For
   the first and the last subnormal numbers are 0: each is then one instruction. */
#define WS_RECIPROCAL_ABOUT(x) reciprocal_about(x)
#define WS_ROOT_ABOUT(x) root_about(x)
#define WS_NORMAL_ROOT_ABOUT(x) normal_root_about(x)
#define WS_UNROLL _Pragma("unroll")
#define WS_ROLLED _Pragma("unroll 1")
#define WS_UNROLLED_BY(count) WS_PRAGMA(unroll count)
#define WS_PRAGMA(text) _Pragma(#text)
#define WS_BLOCK_INDEX ((int)blockIdx.x)
/* The same, and the index of thread t in its block, where they are rarely needed: no register keeps them
   until then. */
#define WS_BLOCK_INDEX_AGAIN block_index_again()
#define WS_THREAD_AGAIN(t) thread_again()
/* An address from a table may be shared memory's, as far as the compiler knows. */
#define WS_ASSUME_GLOBAL(address) __builtin_assume(__isGlobal(address))
/* Keeps the order of accesses to memory that the host accesses meanwhile. */
#define WS_HOST_FENCE() __threadfence_system()
/* The value that another block of the launch may have stored. */
#define WS_LOAD_FRESH(address) __ldcg(address)
/* Whether all of `blocks` blocks have now done this, in one thread each. What that thread stored before
   can be read by the last block. The counter is 0 again then. */
#define WS_ARRIVE(counter, blocks) arrive(counter, blocks)
/* How an operand of a row is stored, the address of its average, which phase a launch is, and where what
   a measured step sees goes. In the PTX the loads bear these names, so that a module can be loaded with
   constants in their place. */
#define WS_STORED(row, OPERAND) stored_as<OPERAND>(row)
#define WS_AVERAGE(row) average_of(row)
#define WS_IS_FIRST(kernel, arguments) is_first_of_##kernel()
#define WS_DEFINE_IS_FIRST(kernel)                                                \
  static __device__ __forceinline__ bool is_first_of_##kernel() {                 \
    int is_first;                                                                 \
    asm("ld.param.u32 %0, [" #kernel "_param_0+%1]; // phase"                     \
        : "=r"(is_first)                                                          \
        : "n"(__builtin_offsetof(MixedSumArguments, is_first)));                  \
    return is_first != 0;                                                         \
  }
#define WS_ROWS(kernel, arguments, member) rows_of_##kernel()
#define WS_DEFINE_ROWS(kernel, T, Arguments, member)                              \
  static __device__ __forceinline__ T *rows_of_##kernel() {                       \
    T *rows;                                                                      \
    asm("ld.param.u64 %0, [" #kernel "_param_0+%1]; // rows"                      \
        : "=l"(rows)                                                              \
        : "n"(__builtin_offsetof(Arguments, member)));                            \
    return rows;                                                                  \
  }
/* How many blocks are to fit a multiprocessor where parameters and gradients are of one 16-bit type, with
   float32 state at most, no average and nothing measured. A module that is loaded for such steps asks for
   them. */
#define WS_BLOCKS_OF_16_BITS(blocks) asm volatile("// blocks of 16 bits: %0" ::"n"((int)(blocks)))
/* Hides from the compiler what an address or an index is made of. */
#define WS_OPAQUE(address) asm volatile("" : "+l"(address))
#define WS_LIST(kernel, Arguments)
static __device__ __forceinline__ int block_index_again() {
  int index;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(index));
  return index;
}
static __device__ __forceinline__ int thread_again() {
  int thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}
static __device__ __forceinline__ unsigned near_max(unsigned x) {
  WS_UNROLL
  for (int by = 4; by > 0; by /= 2) {
    const unsigned other = __shfl_xor_sync(0xffffffffu, x, by);
    x = other > x ? other : x;
  }
  return x;
}
static __device__ __forceinline__ float reciprocal_about(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
static __device__ __forceinline__ float root_about(float x) {
  float y;
  asm("sqrt.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
static __device__ __forceinline__ float normal_root_about(float x) {
  float y;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
static __device__ __forceinline__ int arrive(unsigned *counter, int blocks) {
  __threadfence();
  const int is_last = atomicInc(counter, (unsigned)blocks - 1) == (unsigned)blocks - 1;
  __threadfence();
  return is_last;
}
#else
#include "host_grid.h"
#endif

/* Elements that are stored in 16 bits and computed with as float32. */
struct Float16 {
  ws_half_bits bits;
};
struct Bfloat16 {
  ws_half_bits bits;
};

WS_DEVICE float widen(float x) { return x; }
WS_DEVICE double widen(double x) { return x; }
WS_DEVICE float widen(Float16 x) { return ws_from_float16(x.bits); }
WS_DEVICE float widen(Bfloat16 x) { return ws_from_bfloat16(x.bits); }
WS_DEVICE void narrow(float x, float *to) { *to = x; }
WS_DEVICE void narrow(double x, double *to) { *to = x; }
WS_DEVICE void narrow(float x, Float16 *to) { to->bits = ws_to_float16(x); }
WS_DEVICE void narrow(float x, Bfloat16 *to) { to->bits = ws_to_bfloat16(x); }

/*
 * For a storage type: the arithmetic type, and as many elements as that has in 16 bytes. Threads
 * beside each other access vectors beside each other in all arrays: 8 bytes of 16-bit types, and 16
 * of the float32 state.
 */
template <typename S> struct Storage;
template <> struct Storage<float> {
  typedef float Real;
  typedef float4 Vector;
  enum { COUNT = 4 };
};
template <> struct Storage<double> {
  typedef double Real;
  typedef double2 Vector;
  enum { COUNT = 2 };
};
template <> struct Storage<Float16> {
  typedef float Real;
  typedef ushort4 Vector;
  enum { COUNT = 4 };
};
template <> struct Storage<Bfloat16> : Storage<Float16> {};

#include "abi.h"

#if defined(__CUDACC__)
extern __shared__ uint4 dynamic_memory[];
template <int OPERAND> static __device__ __forceinline__ int stored_as(const MixedTensor *row) {
  unsigned stored;
  asm("ld.global.u8 %0, [%1+%2]; // stored %3"
      : "=r"(stored)
      : "l"(__cvta_generic_to_global(row)),
        "n"(__builtin_offsetof(MixedTensor, stored) + OPERAND), "n"(OPERAND));
  return (int)stored;
}
static __device__ __forceinline__ float *average_of(const MixedTensor *row) {
  float *average;
  asm("ld.global.u64 %0, [%1+%2]; // average"
      : "=l"(average)
      : "l"(__cvta_generic_to_global(row)), "n"(__builtin_offsetof(MixedTensor, average)));
  return average;
}
#endif

/* Of n places from 0 on, that of an index, or the last one. */
WS_DEVICE int clamped(int index, int n) { return index < n ? index : n - 1; }

/* One access for all elements of a vector, at an address that is a multiple of its size. */
WS_DEVICE void load_vector(const float *from, float *to) {
  const float4 v = *(const float4 *)from;
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
WS_DEVICE void load_vector(const double *from, double *to) {
  const double2 v = *(const double2 *)from;
  to[0] = v.x, to[1] = v.y;
}
template <typename S> WS_DEVICE void load_vector(const S *from, S *to) {
  const ushort4 v = *(const ushort4 *)from;
  to[0].bits = v.x, to[1].bits = v.y, to[2].bits = v.z, to[3].bits = v.w;
}
WS_DEVICE void store_vector(float *to, const float *from) {
  *(float4 *)to = make_float4(from[0], from[1], from[2], from[3]);
}
WS_DEVICE void store_vector(double *to, const double *from) {
  *(double2 *)to = make_double2(from[0], from[1]);
}
template <typename S> WS_DEVICE void store_vector(S *to, const S *from) {
  *(ushort4 *)to = make_ushort4(from[0].bits, from[1].bits, from[2].bits, from[3].bits);
}

#endif
