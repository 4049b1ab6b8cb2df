/*
 * Small kernels with nothing of this project's in them: nvcc's output of them shows that the
 * interpreter runs PTX, not only the kernels' PTX. kernels.ptx is made of it by
 *   nvcc -arch=compute_75 -ptx -o kernels.ptx kernels.cu
 * and tests compare its results with Java's.
 */
#include <cuda_fp16.h>
#include <cuda_bf16.h>

/* Sums of blocks, by halves in shared memory. */
extern "C" __global__ void block_sums(const float *x, float *sums, int n) {
  __shared__ float shared[256];
  const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  shared[t] = i < n ? x[i] : 0;
  for (int width = blockDim.x / 2; width > 0; width /= 2) {
    __syncthreads();
    if (t < width) shared[t] += shared[t + width];
  }
  if (t == 0) sums[blockIdx.x] = shared[0];
}

/* The sums of a block's first 1, 2, 3, … elements: shuffles in a warp, then across warps. */
extern "C" __global__ void prefix_sums(const int *x, int *sums, int n) {
  __shared__ int totals[32];
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  int sum = t < n ? x[t] : 0;
  for (int by = 1; by < 32; by *= 2) {
    const int below = __shfl_up_sync(0xffffffffu, sum, by);
    if (lane >= by) sum += below;
  }
  if (lane == 31) totals[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    int total = lane < blockDim.x / 32 ? totals[lane] : 0;
    for (int by = 1; by < 32; by *= 2) {
      const int below = __shfl_up_sync(0xffffffffu, total, by);
      if (lane >= by) total += below;
    }
    totals[lane] = total;
  }
  __syncthreads();
  if (warp > 0) sum += totals[warp - 1];
  if (t < n) sums[t] = sum;
}

/* Counts in shared memory, added to those in global memory. */
extern "C" __global__ void histogram(const unsigned char *x, unsigned *counts, int n) {
  extern __shared__ unsigned shared_counts[];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) shared_counts[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&shared_counts[x[i]], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    if (shared_counts[i]) atomicAdd(&counts[i], shared_counts[i]);
  }
}

/* In tiles, in two dimensions. */
extern "C" __global__ void transpose(const double *from, double *to, int rows, int columns) {
  __shared__ double tile[16][17];
  int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
  if (x < columns && y < rows) tile[threadIdx.y][threadIdx.x] = from[y * columns + x];
  __syncthreads();
  x = blockIdx.y * 16 + threadIdx.x;
  y = blockIdx.x * 16 + threadIdx.y;
  if (x < rows && y < columns) to[y * rows + x] = tile[threadIdx.x][threadIdx.y];
}

/* Steps of the Collatz sequence: every thread goes round as often as its number needs. */
extern "C" __global__ void collatz(const long long *x, int *steps, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  long long value = x[i];
  int count = 0;
  while (value != 1) {
    if (value % 2 == 0) {
      value /= 2;
    } else if (value > 1000000000000000LL) {
      count = -1;
      break;
    } else {
      value = 3 * value + 1;
    }
    count++;
  }
  steps[i] = count;
}

/* float64 with everything that rounds, and a table in constant memory. */
__constant__ double coefficients[5] = {0.5, -0.25, 0.125, -0.0625, 3.0};
extern "C" __global__ void polynomial(const double *x, double *y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double sum = 0;
  for (int k = 0; k < 5; k++) sum = __fma_rn(sum, x[i], coefficients[k]);
  y[i] = fmax(__ddiv_rn(sum, __dadd_rn(1.0, __dsqrt_rn(fabs(x[i])))), -1e300);
}

/* Half types, through float32 and back. */
extern "C" __global__ void halves(const __half *x, __half *h, __nv_bfloat16 *b, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float f = __half2float(x[i]);
  h[i] = __float2half_rn(__fmul_rn(f, 0.3f));
  b[i] = __float2bfloat16_rn(f);
}

/* A stack of the thread's own, and a choice among several ways. */
extern "C" __global__ void reverse_digits(const unsigned *x, unsigned *y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned digits[10], value = x[i], count = 0;
  do {
    digits[count++] = value % 10;
    value /= 10;
  } while (value);
  for (unsigned k = 0; k < count; k++) value = value * 10 + digits[k];
  switch (x[i] % 4) {
    case 0: value ^= 0x5a5a5a5au; break;
    case 1: value = __popc(value); break;
    case 2: value = __brev(value); break;
    default: value = __clz(value); break;
  }
  y[i] = value;
}

/* The last block to arrive adds what all have left: a counter and a fence. */
__device__ unsigned arrived = 0;
extern "C" __global__ void sum_of_all(const int *x, int *partial, int *sum, int n) {
  __shared__ int shared[8];
  __shared__ bool last;
  const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  const int mine = i < n ? x[i] : 0;
  int total = mine;
  for (int by = 16; by > 0; by /= 2) total += __shfl_xor_sync(0xffffffffu, total, by);
  if (t % 32 == 0) shared[t / 32] = total;
  __syncthreads();
  if (t == 0) {
    int block = 0;
    for (int w = 0; w < 8; w++) block += shared[w];
    partial[blockIdx.x] = block;
    __threadfence();
    last = atomicInc(&arrived, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && t == 0) {
    int all = 0;
    for (unsigned b = 0; b < gridDim.x; b++) all += ((volatile int *)partial)[b];
    *sum = all;
  }
}

/* How many of each warp's threads hold an odd number, written by its first thread. */
extern "C" __global__ void odd_counts(const int *x, int *counts, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned odd = __ballot_sync(0xffffffffu, i < n && (x[i] & 1));
  const bool none = __all_sync(0xffffffffu, !(i < n && (x[i] & 1)));
  if (threadIdx.x % 32 == 0) counts[i / 32] = none ? -1 : __popc(odd);
}
