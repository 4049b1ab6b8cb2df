/*
 * What lets one source be C99, CUDA C and OpenCL C 1.2.
 *
 * A file that uses these names is included once for each arithmetic type, with WS_BITS defined as
 * 32 or 64. In C and CUDA both can be had in one translation unit:
 *
 *   #define WS_BITS 32
 *   #include "rules.h"
 *   #undef WS_BITS
 *   #define WS_BITS 64
 *   #include "rules.h"
 *
 * Contraction must be off (gcc -ffp-contract=off, nvcc -fmad=false, OpenCL by the pragma below):
 * where a multiply-add is wanted, the source says WS_FMA. Division and square root must be
 * correctly rounded and denormals kept.
 */
#ifndef WS_PORTABLE_H
#define WS_PORTABLE_H

#define WS_JOIN_(a, b) a##b
#define WS_JOIN(a, b) WS_JOIN_(a, b)

/* The arithmetic type, and a function's name for that type, such as ws_adam_f32. */
#define WS_REAL WS_JOIN(ws_real_, WS_BITS)
/* Pasted at once, because `name` may be a macro, as fma is in some OpenCL compilers. */
#define WS_NAME(name) WS_JOIN(ws_##name##_f, WS_BITS)

#define WS_FMA(a, b, c) WS_NAME(fma)(a, b, c)
#define WS_SQRT(a) WS_NAME(sqrt)(a)
#define WS_MAX(a, b) WS_NAME(max)(a, b)
#define WS_MIN(a, b) WS_NAME(min)(a, b)
#define WS_ABS(a) WS_NAME(abs)(a)
/* -1, 1, or the argument itself if it is a zero or NaN. */
#define WS_SIGN(a) ((a) > 0 ? (WS_REAL)1 : (a) < 0 ? (WS_REAL)-1 : (a))
/* -g if x is below 0, g if above; x itself if it is a zero or NaN. */
#define WS_TURNED(x, g) ((x) > 0 ? (g) : (x) < 0 ? -(g) : (x))
/* 1 if x is above 0, else 0; x itself if it is NaN. */
#define WS_IS_POSITIVE(x) ((x) > 0 ? (WS_REAL)1 : (x) != (x) ? (x) : (WS_REAL)0)
/* The argument, or the type's epsilon if it is 0. */
#define WS_OR_EPSILON(a) ((a) == 0 ? (WS_REAL)WS_JOIN(ws_epsilon_, WS_BITS) : (a))
#define ws_epsilon_32 1.1920928955078125e-7f
#define ws_epsilon_64 2.220446049250313e-16
#define ws_epsilon_32v ws_epsilon_32
#define ws_epsilon_64v ws_epsilon_64
#define ws_least_normal_32 1.1754943508222875e-38f
#define ws_least_normal_64 2.2250738585072014e-308
#define WS_TO_BITS(a) WS_NAME(to_bits)(a)
#define WS_FROM_BITS(a) WS_NAME(from_bits)(a)

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#define WS_OPENCL

#pragma OPENCL FP_CONTRACT OFF
/*
 * Compilers inline everything anyway. C99's plain `inline` leaves a symbol undefined where one does
 * not, and `static` breaks PoCL 3.1 off, in LLVM, on functions with barriers.
 */
#define WS_INLINE
typedef float ws_real_32;
typedef WS_JOIN(float, WS_LANES) ws_real_32v;
typedef uint ws_word_32;
typedef ushort ws_half_bits;
#define ws_fma_f32(a, b, c) fma(a, b, c)
#define ws_sqrt_f32(a) sqrt(a)
#define ws_abs_f32(a) fabs(a)
#define ws_to_bits_f32(a) as_uint(a)
#define ws_from_bits_f32(a) as_float(a)
/* OpenCL C has vectors: with WS_BITS 32v or 64v the same source works on WS_LANES elements. */
#define ws_fma_f32v(a, b, c) fma(a, b, c)
#define ws_sqrt_f32v(a) sqrt(a)
#define ws_abs_f32v(a) fabs(a)
#define ws_to_bits_f32v(a) WS_JOIN(as_uint, WS_LANES)(a)
#define ws_from_bits_f32v(a) WS_JOIN(as_float, WS_LANES)(a)
#ifdef WS_DOUBLE
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double ws_real_64;
typedef WS_JOIN(double, WS_LANES) ws_real_64v;
typedef ulong ws_word_64;
#define ws_fma_f64(a, b, c) fma(a, b, c)
#define ws_sqrt_f64(a) sqrt(a)
#define ws_abs_f64(a) fabs(a)
#define ws_to_bits_f64(a) as_ulong(a)
#define ws_from_bits_f64(a) as_double(a)
#define ws_fma_f64v(a, b, c) fma(a, b, c)
#define ws_sqrt_f64v(a) sqrt(a)
#define ws_abs_f64v(a) fabs(a)
#define ws_to_bits_f64v(a) WS_JOIN(as_ulong, WS_LANES)(a)
#define ws_from_bits_f64v(a) WS_JOIN(as_double, WS_LANES)(a)
#endif

#else /* C99 and CUDA C */

#define WS_DOUBLE
typedef float ws_real_32;
typedef double ws_real_64;
typedef unsigned int ws_word_32;
typedef unsigned long long ws_word_64;
typedef unsigned short ws_half_bits;

#if defined(__CUDACC__)
#define WS_INLINE static __device__ __forceinline__
#define ws_fma_f32(a, b, c) __fmaf_rn(a, b, c)
#define ws_fma_f64(a, b, c) __fma_rn(a, b, c)
#define ws_sqrt_f32(a) __fsqrt_rn(a)
#define ws_abs_f32(a) fabsf(a)
#define ws_sqrt_f64(a) __dsqrt_rn(a)
#define ws_abs_f64(a) fabs(a)
#define ws_to_bits_f32(a) __float_as_uint(a)
#define ws_from_bits_f32(a) __uint_as_float(a)
#define ws_to_bits_f64(a) ((ws_word_64)__double_as_longlong(a))
#define ws_from_bits_f64(a) __longlong_as_double((long long)(a))
#else
#include <math.h>
#include <string.h>
#define WS_INLINE static inline
#define ws_fma_f32(a, b, c) fmaf(a, b, c)
#define ws_fma_f64(a, b, c) fma(a, b, c)
#define ws_sqrt_f32(a) sqrtf(a)
#define ws_abs_f32(a) fabsf(a)
#define ws_sqrt_f64(a) sqrt(a)
#define ws_abs_f64(a) fabs(a)
WS_INLINE ws_word_32 ws_to_bits_f32(ws_real_32 value) {
  ws_word_32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
WS_INLINE ws_real_32 ws_from_bits_f32(ws_word_32 bits) {
  ws_real_32 value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
WS_INLINE ws_word_64 ws_to_bits_f64(ws_real_64 value) {
  ws_word_64 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
WS_INLINE ws_real_64 ws_from_bits_f64(ws_word_64 bits) {
  ws_real_64 value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
#endif
#endif

/* Operands of an element, as bits: what a phase of a rule reads or writes. */
#define WS_PARAMETER 1
#define WS_GRADIENT 2
#define WS_STATE(slot) (4 << (slot))

/* Options of a rule that keeps squares as factors, of elements whose squares are: see rules.h. */
#define WS_INVERSE 1

/*
 * IEEE 754-2019 maximum and minimum, which are Java's: NaN if either is NaN, and +0 above -0. Equal
 * numbers differ at most in the sign of zero, so joining their bits decides.
 */
#define WS_DEFINE_EXTREMA(REAL, suffix)                                                  \
  WS_INLINE REAL ws_max_##suffix(REAL a, REAL b) {                                       \
    REAL tied = ws_from_bits_##suffix(ws_to_bits_##suffix(a) & ws_to_bits_##suffix(b));  \
    return a > b || a != a ? a : a == b ? tied : b;                                      \
  }                                                                                      \
  WS_INLINE REAL ws_min_##suffix(REAL a, REAL b) {                                       \
    REAL tied = ws_from_bits_##suffix(ws_to_bits_##suffix(a) | ws_to_bits_##suffix(b));  \
    return a < b || a != a ? a : a == b ? tied : b;                                      \
  }
WS_DEFINE_EXTREMA(ws_real_32, f32)
#ifdef WS_DOUBLE
WS_DEFINE_EXTREMA(ws_real_64, f64)
#endif
#ifdef WS_OPENCL
WS_DEFINE_EXTREMA(ws_real_32v, f32v)
#ifdef WS_DOUBLE
WS_DEFINE_EXTREMA(ws_real_64v, f64v)
#endif
#endif

#endif
