/*
 * OpenCL: loads and stores of four elements, widening and rounding where they are stored in 16
 * bits. WS_ARITHMETIC and WS_STORAGE: see step.cl.
 */
typedef WS_JOIN(ws_real_, WS_ARITHMETIC) ws_one;
typedef WS_JOIN(WS_JOIN(ws_real_, WS_ARITHMETIC), x4) ws_four;

#if WS_STORAGE == 0
typedef ws_one ws_stored;
typedef ws_four ws_stored4;
#define WS_WIDEN(a) (a)
#define WS_NARROW(a) (a)
#else
typedef ushort ws_stored;
typedef ushort4 ws_stored4;
#if WS_STORAGE == 1
#define WS_WIDEN(a) ws_from_float16(a)
#define WS_NARROW(a) ws_to_float16(a)
#else
#define WS_WIDEN(a) ws_from_bfloat16(a)
#define WS_NARROW(a) ws_to_bfloat16(a)
#endif
#endif

/* Four places from `at`, of which those before `from` and from `to` on are another's. */
typedef struct {
  long at;
  int from;
  int to;
  int aligned;
} ws_unit;

/* The unit at a place, which can lie partly or wholly outside the `length` elements from 0. */
inline ws_unit ws_unit_at(long at, long length, int aligned) {
  ws_unit unit;
  unit.at = at;
  unit.from = at < 0 ? (int)-at : 0;
  unit.to = length - at < 4 ? (int)max(length - at, 0L) : 4;
  unit.aligned = aligned;
  return unit;
}

#define WS_IS_WHOLE(unit) ((unit).to - (unit).from == 4)

/* Places that are another's read as zero and are not written. */
#define WS_DEFINE_ACCESS(name, ONE, FOUR, FROM, TO)                         \
  inline ws_four ws_load##name(global const ONE *a, ws_unit unit) {         \
    FOUR four;                                                              \
    global const ONE *b = a + unit.at;                                      \
    if (WS_IS_WHOLE(unit)) {                                                \
      four = unit.aligned ? *(global const FOUR *)b : vload4(0, b);         \
    } else {                                                                \
      four.s0 = unit.from <= 0 ? b[0] : 0;                                  \
      four.s1 = unit.from <= 1 && unit.to > 1 ? b[1] : 0;                   \
      four.s2 = unit.from <= 2 && unit.to > 2 ? b[2] : 0;                   \
      four.s3 = unit.to > 3 ? b[3] : 0;                                     \
    }                                                                       \
    return (ws_four)(FROM(four.s0), FROM(four.s1), FROM(four.s2), FROM(four.s3)); \
  }                                                                         \
  inline void ws_store##name(global ONE *a, ws_unit unit, ws_four value) {  \
    FOUR four = (FOUR)(TO(value.s0), TO(value.s1), TO(value.s2), TO(value.s3)); \
    global ONE *b = a + unit.at;                                            \
    if (WS_IS_WHOLE(unit)) {                                                \
      if (unit.aligned) {                                                   \
        *(global FOUR *)b = four;                                           \
      } else {                                                              \
        vstore4(four, 0, b);                                                \
      }                                                                     \
      return;                                                               \
    }                                                                       \
    if (unit.from <= 0 && unit.to > 0) {                                    \
      b[0] = four.s0;                                                       \
    }                                                                       \
    if (unit.from <= 1 && unit.to > 1) {                                    \
      b[1] = four.s1;                                                       \
    }                                                                       \
    if (unit.from <= 2 && unit.to > 2) {                                    \
      b[2] = four.s2;                                                       \
    }                                                                       \
    if (unit.from <= 3 && unit.to > 3) {                                    \
      b[3] = four.s3;                                                       \
    }                                                                       \
  }

#define WS_SAME(a) (a)
WS_DEFINE_ACCESS(, ws_stored, ws_stored4, WS_WIDEN, WS_NARROW)
WS_DEFINE_ACCESS(_state, ws_one, ws_four, WS_SAME, WS_SAME)
