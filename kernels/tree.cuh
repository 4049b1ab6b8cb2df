/*
 * The tree by which the global norm and sums over tensors are added up, of fixed shape, so that they
 * have the same bits everywhere. A leaf is 4096 elements of one tensor padded with zeros; a node adds
 * 4096 sums. Both add halves: element i and element i + width, for widths 2048 down to 1. A sum of
 * squares is kept as sum * 4^exponent, any other as sum * 2^exponent: a leaf whose plain sum
 * is too large or too small is summed again with its elements divided by a power of two.
 */
#ifndef WS_TREE_CUH
#define WS_TREE_CUH

#include "grid.cuh"

enum { WS_HALF = WS_LEAF / 2, WS_HELD = WS_LEAF / WS_BLOCK /* elements of a leaf in a thread */ };

/* What differs between the types: integers of the same size and the bounds of exponents. */
template <typename T> struct Format;
template <> struct Format<float> {
  typedef unsigned int Word;
  enum { FRACTION = 23, BIAS = 127 };
  WS_DEVICE Word bits(float x) { return ws_to_bits_f32(x); }
  WS_DEVICE float value(Word bits) { return ws_from_bits_f32(bits); }
  WS_DEVICE float multiply_add(float a, float b, float c) { return ws_fma_f32(a, b, c); }
  WS_DEVICE bool is_plain(float sum) {
    return sum >= 5.421010862427522e-20f && sum <= 1.8446744073709552e19f; /* 2^-64 to 2^64 */
  }
};
template <> struct Format<double> {
  typedef unsigned long long Word;
  enum { FRACTION = 52, BIAS = 1023 };
  WS_DEVICE Word bits(double x) { return ws_to_bits_f64(x); }
  WS_DEVICE double value(Word bits) { return ws_from_bits_f64(bits); }
  WS_DEVICE double multiply_add(double a, double b, double c) { return ws_fma_f64(a, b, c); }
  WS_DEVICE bool is_plain(double sum) {
    return sum >= 7.458340731200207e-155 && sum <= 1.3407807929942597e154; /* 2^-512 to 2^512 */
  }
};

/* 2^exponent, which must be normal. */
template <typename T> WS_DEVICE T power_of_two(int exponent) {
  typedef Format<T> F;
  return F::value((typename F::Word)(exponent + F::BIAS) << F::FRACTION);
}

WS_DEVICE float magnitude(float x) { return ws_from_bits_f32(ws_to_bits_f32(x) & 0x7fffffffu); }
WS_DEVICE double magnitude(double x) {
  return ws_from_bits_f64(ws_to_bits_f64(x) & 0x7fffffffffffffffull);
}

/* Smallest exponent of a normal number, and the one above which a sum of squares is not scaled. */
template <typename T> WS_DEVICE int min_exponent() { return 1 - Format<T>::BIAS; }
template <typename T> WS_DEVICE int max_exponent() { return Format<T>::BIAS - 1; }

template <typename T> struct Scratch {
  T sums[4][WS_BLOCK]; /* element 4 * t + e is in [e][t] */
  typename Format<T>::Word largest[WS_BLOCK];
  int exponents[WS_BLOCK];
};

template <typename T> struct Sum {
  T sum;
  int exponent;
};

/* Index in a leaf of a thread's i-th element: vectors of four, neighbours beside each other. */
WS_DEVICE int held_index(int t, int i) { return i / 4 * (4 * WS_BLOCK) + 4 * t + i % 4; }

/* The first halvings, within a thread: 2048 sums to 1024. */
template <typename T> WS_DEVICE void put(Scratch<T> &scratch, int t, const T *sums) {
  WS_UNROLL
  for (int e = 0; e < 4; e++) scratch.sums[e][t] = sums[e] + sums[4 + e];
}

/* Two terms of a rule, of which a sum of squares has the squares and one of magnitudes those. */
template <typename T> WS_DEVICE T pair(int kind, T lower, T upper) {
  if (kind == WS_SUM_SIGNED) return lower + upper;
  return kind == WS_SUM_MAGNITUDES
      ? magnitude(lower) + magnitude(upper)
      : Format<T>::multiply_add(upper, upper, lower * lower);
}

/* Whether a plain sum has neither overflowed nor underflowed; of signed terms only the former counts. */
template <typename T> WS_DEVICE bool is_plain(int kind, T sum) {
  return kind == WS_SUM_SIGNED ? sum - sum == 0 : Format<T>::is_plain(sum);
}

/* The rest of the halvings, from 1024 sums on, of COUNT trees; the same results in every thread. */
template <int COUNT, typename T> WS_DEVICE void fold(Scratch<T> *scratch, T *sums) {
  WS_ROLLED
  for (int width = WS_BLOCK / 2; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      if (t < width) {
        WS_UNROLL
        for (int j = 0; j < COUNT; j++) {
          WS_UNROLL
          for (int e = 0; e < 4; e++) scratch[j].sums[e][t] += scratch[j].sums[e][t + width];
        }
      }
    }
  }
  WS_BARRIER();
  WS_UNROLL
  for (int j = 0; j < COUNT; j++) {
    const Scratch<T> &own = scratch[j];
    sums[j] = WS_UNIFORM((own.sums[0][0] + own.sums[2][0]) + (own.sums[1][0] + own.sums[3][0]));
  }
}

template <typename T> WS_DEVICE T fold(Scratch<T> &scratch) {
  T sum;
  fold<1>(&scratch, &sum);
  return sum;
}

/* The largest of what the threads have put into the scratch, in every thread. */
template <typename T> WS_DEVICE typename Format<T>::Word largest_of(Scratch<T> &scratch) {
  for (int width = WS_BLOCK / 2; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      if (t < width && scratch.largest[t + width] > scratch.largest[t]) {
        scratch.largest[t] = scratch.largest[t + width];
      }
    }
  }
  WS_BARRIER();
  return WS_UNIFORM(scratch.largest[0]);
}

/*
 * The exponent of a leaf's largest magnitude, by whose power its elements are to be divided. False if
 * that needs no sum: of zeros, and of elements of which one is infinite or NaN, which stays so.
 */
template <typename T>
WS_DEVICE bool exponent_of_largest(typename Format<T>::Word largest, Sum<T> *leaf) {
  typedef Format<T> F;
  const int exponent = (int)(largest >> F::FRACTION) - F::BIAS;
  const bool is_finite = exponent <= F::BIAS;
  leaf->sum = F::value(largest);
  leaf->exponent = exponent;
  if (exponent < min_exponent<T>()) leaf->exponent = min_exponent<T>();
  if (exponent > max_exponent<T>()) leaf->exponent = max_exponent<T>();
  return largest != 0 && is_finite;
}

/* What a thread has of the sums that a node joins. */
template <typename T> struct Children {
  T sums[WS_HELD];
  int exponents[WS_HELD];
};

/*
 * Joins n sums, 1 to WS_LEAF. All loads are in flight at once: those beyond n are the last one's
 * again. They are from the second-level cache, since other blocks may just have stored the values.
 */
template <typename T>
WS_DEVICE Sum<T> join(Scratch<T> &scratch, int kind, const T *sums, const int *exponents, int n) {
  typedef Format<T> F;
  WS_OWN(Children<T>, all_held)
  Sum<T> node;
  WS_BARRIER();
  WS_THREADS(t) {
    Children<T> &held = WS_MY(all_held, t);
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      const int index = clamped(held_index(t, i), n);
      held.sums[i] = WS_LOAD_FRESH(sums + index);
      held.exponents[i] = WS_LOAD_FRESH(exponents + index);
    }
    typename F::Word largest = 0;
    int exponent = held.exponents[0];
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      if (F::bits(held.sums[i]) > largest) largest = F::bits(held.sums[i]);
      if (held.exponents[i] > exponent) exponent = held.exponents[i];
    }
    if (kind == WS_SUM_LARGEST) scratch.largest[t] = largest;
    scratch.exponents[t] = exponent;
  }
  if (kind == WS_SUM_LARGEST) {
    node.sum = F::value(largest_of(scratch));
    node.exponent = 0;
    return node;
  }
  for (int width = WS_BLOCK / 2; width > 0; width /= 2) {
    WS_BARRIER();
    WS_THREADS(t) {
      if (t < width && scratch.exponents[t + width] > scratch.exponents[t]) {
        scratch.exponents[t] = scratch.exponents[t + width];
      }
    }
  }
  WS_BARRIER();
  node.exponent = WS_UNIFORM(scratch.exponents[0]);
  const int power = kind == WS_SUM_SQUARES ? 2 : 1;
  WS_UNSHARED(); /* sums are not exponents */
  WS_THREADS(t) {
    const Children<T> &held = WS_MY(all_held, t);
    T scaled[WS_HELD], halves[WS_HELD / 2];
    WS_UNROLL
    for (int i = 0; i < WS_HELD; i++) {
      const int shift = power * (held.exponents[i] - node.exponent);
      const bool counts = held_index(t, i) < n && shift >= min_exponent<T>();
      scaled[i] = counts ? held.sums[i] * power_of_two<T>(shift) : 0;
    }
    WS_UNROLL
    for (int i = 0; i < WS_HELD / 2; i++) halves[i] = scaled[i] + scaled[WS_HELD / 2 + i];
    put(scratch, t, halves);
  }
  node.sum = fold(scratch);
  return node;
}

#endif
