/*
 * OpenCL: what the kernels of a rule share, its header, the arrays that it works on and the numbers of
 * groups. The parameters of the build: see step.cl.
 */
#define WS_ENTRY(rule, RULE)
#define WS_SUMS_ENTRY(rule, RULE)
#define WS_GROUP_SUMS_ENTRY(rule, RULE)
#define WS_SHARED_SUMS_ENTRY(rule, RULE)
#define WS_PASS_ENTRY(pass, PASS)
#define WS_MATRIX_ENTRY(rule, RULE)
#define WS_FACTORED_ENTRY(rule, RULE)
#define WS_BITS WS_JOIN(WS_ARITHMETIC, v)
#include "gradient.h"
#include WS_RULE_FILE

#define WS_OF_RULE(what) WS_JOIN(WS_JOIN(WS_, WS_RULE_UPPER), what)
#define WS_UPDATE WS_JOIN(WS_JOIN(WS_JOIN(ws_, WS_RULE), _f), WS_BITS)
#define WS_SCALARS WS_OF_RULE(_SCALARS)
#define WS_SLOTS(options) WS_OF_RULE(_SLOTS)(options)
#define WS_OPTIONS WS_OF_RULE(_OPTIONS)

/* Whether a phase reads or writes an operand. A rule without sums has one phase, which has all. */
#if WS_OF_RULE(_READS) != 0
#define WS_READS(operand) ((WS_OF_RULE(_READS) & (operand)) != 0)
#define WS_WRITES(operand) ((WS_OF_RULE(_WRITES) & (operand)) != 0)
#else
#define WS_READS(operand) 1
#define WS_WRITES(operand) 1
#endif
#if WS_OF_RULE(_SUMS) > 0
#define WS_HAS_SUMS
#define WS_NUMBERS WS_OF_RULE(_NUMBERS)
#define WS_SUM_READS(operand) ((WS_OF_RULE(_SUM_READS) & (operand)) != 0)
#define WS_SUM_WRITES(operand) ((WS_OF_RULE(_SUM_WRITES) & (operand)) != 0)
#else
#define WS_NUMBERS 0
#endif
/* A pass of the optimizer's own, which has no gradients. */
#define WS_IS_PASS (WS_NUMBERS + (WS_READS(WS_GRADIENT) != 0) == 0)

/* X(0) X(1) and so on, for each slot of state. */
#define WS_EACH_0(X)
#define WS_EACH_1(X) X(0)
#define WS_EACH_2(X) WS_EACH_1(X) X(1)
#define WS_EACH_3(X) WS_EACH_2(X) X(2)
#define WS_EACH_4(X) WS_EACH_3(X) X(3)
#define WS_EACH_5(X) WS_EACH_4(X) X(4)
#define WS_EACH_6(X) WS_EACH_5(X) X(5)
#define WS_EACH_7(X) WS_EACH_6(X) X(6)
#define WS_EACH_8(X) WS_EACH_7(X) X(7)
#define WS_EACH_9(X) WS_EACH_8(X) X(8)
#define WS_EACH_10(X) WS_EACH_9(X) X(9)
#define WS_EACH_11(X) WS_EACH_10(X) X(10)
#define WS_EACH_12(X) WS_EACH_11(X) X(11)
#define WS_EACH_13(X) WS_EACH_12(X) X(12)
#define WS_EACH_14(X) WS_EACH_13(X) X(13)
#define WS_EACH_SLOT WS_JOIN(WS_EACH_, WS_SLOTS_USED)
/* How each operand is stored, where that is not as elements of one type: see mixed.h. */
#ifdef WS_MIXED
#define WS_ELEMENT(kind) WS_JOIN(WS_ELEMENT_, kind)
#define WS_TYPE_OF_VALUES WS_ELEMENT(WS_STORED_VALUES)
#define WS_TYPE_OF_GRADIENTS WS_ELEMENT(WS_STORED_GRADIENTS)
#define WS_STATE_PARAMETER(i) , global WS_ELEMENT(WS_STORED_##i) *state##i
#else
#define WS_TYPE_OF_VALUES ws_stored
#define WS_TYPE_OF_GRADIENTS ws_stored
#define WS_STATE_PARAMETER(i) , global ws_one *state##i
#endif
#define WS_STATE_ARGUMENT(i) , state##i + segment[5 + i]

/*
 * With WS_FACTORED the first slot is no array, but the products of a row's and a column's inverse root, see
 * factors.cl, or the bound if that is less, of matrices one after the other. A segment has the offsets of
 * both, the rows of a matrix and its columns after the offsets of its operands.
 */
#ifdef WS_FACTORED
#define WS_FACTOR(i) segment[3 + 2 + WS_SLOTS_USED + i]
#define WS_FACTORED_PARAMETERS , global const ws_one *row_inverses, global const ws_one *column_inverses
#define WS_FACTORED_ARGUMENTS                                                                 \
  , row_inverses + WS_FACTOR(0), column_inverses + WS_FACTOR(1), WS_FACTOR(2), WS_FACTOR(3), \
      ws_inverse_bound(numbers[1])
#define WS_FACTORED_UNITS                                                                  \
  , global const ws_one *row_inverses, global const ws_one *column_inverses, long height, \
      long width, ws_one inverse_bound
#define WS_LOAD_FACTORED(unit) \
  s[0] = ws_load_factored(row_inverses, column_inverses, height, width, inverse_bound, unit);
#define WS_FACTORED_OPTIONS(options) WS_INVERSE
/* 1 / eps, which is finite. */
WS_INLINE ws_one ws_inverse_bound(ws_one eps) {
  ws_one least = WS_JOIN(ws_least_normal_, WS_ARITHMETIC);
  ws_one its = eps == 0 ? WS_JOIN(ws_epsilon_, WS_ARITHMETIC) : eps;
  return 1 / (its < least ? least : its);
}
WS_INLINE ws_lanes ws_load_factored(
    global const ws_one *rows, global const ws_one *columns, long height, long width, ws_one bound,
    ws_unit unit) {
  ws_one lanes[WS_LANES];
  long row = (unit.at + unit.from) / width;
  long column = (unit.at + unit.from) % width;
  long matrix = row / height;
  int i;
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = 0;
  }
  for (i = unit.from; i < unit.to; i++) {
    ws_one inverse = rows[row] * columns[matrix * width + column];
    lanes[i] = inverse > bound ? bound : inverse; /* NaN stays */
    column++;
    if (column == width) {
      column = 0;
      row++;
      matrix = row / height;
    }
  }
  return WS_VLOAD(0, lanes);
}
#else
#define WS_FACTORED_PARAMETERS
#define WS_FACTORED_ARGUMENTS
#define WS_FACTORED_UNITS
#define WS_LOAD_FACTORED(unit)
#define WS_FACTORED_OPTIONS(options) options
#endif

/* Flags of from_control, and whether the norm told that nothing is to happen: see step.cl. */
#define WS_SKIPPABLE 2
#define WS_IS_SKIPPED(from_control, control) (((from_control) & WS_SKIPPABLE) && (control)[1] == 0)

/* The numbers of a group. */
#define WS_NUMBER_NAME(name) ws_field_##name,
enum {
  WS_LAST_SCALAR = WS_SCALARS - 1, /* of the rule */
  WS_EACH_NUMBER(WS_NUMBER_NAME)
  WS_SIGN_OF_GRADIENTS, /* 1 or, to maximize, -1 */
  WS_KEEPS_PARAMETERS, /* 1 if they keep their bits, whatever the rule gives, else 0 */
  WS_STEP_LOWER,       /* the number of the group's step, 16 bits */
  WS_STEP_UPPER,       /* the next */
  WS_AVERAGE_WEIGHT,   /* what averages take of the parameters */
  WS_FIELDS
};
typedef struct {
  ws_one value[WS_GROUPS][WS_FIELDS];
} ws_groups;

/* What enters a rule's formula of a gradient as it is in memory, see gradient.h; of numbers of a group. */
#define WS_NUMBER_OF_GRADIENTS(name) , (WS_REAL)numbers[ws_field_##name]
#define WS_PREPARED(scale, prescale, clip_value, g, p)                              \
  WS_NAME(gradient)((WS_REAL)(scale), (WS_REAL)(prescale), (WS_REAL)(clip_value), g, \
                    p WS_EACH_NUMBER(WS_NUMBER_OF_GRADIENTS))

/*
 * With WS_AHEAD the numbers of several steps lie in a ring, and the norm's outcome says which of its
 * places has this step's: see ahead.cl.
 */
#ifdef WS_AHEAD
typedef global const ws_groups *ws_groups_argument;
#define WS_NUMBERS_OF_GROUP(groups, group, numbers)              \
  {                                                              \
    int field;                                                   \
    for (field = 0; field < WS_FIELDS; field++) {                \
      numbers[field] = groups[(int)control[3]].value[group][field]; \
    }                                                            \
  }
#else
typedef ws_groups ws_groups_argument;

/* A group's numbers. All indices are constants once unrolled: with others a GPU's compiler copies the
 * argument into every work-item's private memory. */
#define WS_NUMBERS_OF_GROUP(groups, group, numbers)                          \
  {                                                                          \
    int field, other;                                                        \
    _Pragma("unroll") for (field = 0; field < WS_FIELDS; field++) {          \
      numbers[field] = groups.value[0][field];                               \
      _Pragma("unroll") for (other = 1; other < WS_GROUPS; other++) {        \
        numbers[field] = other == group ? groups.value[other][field] : numbers[field]; \
      }                                                                      \
    }                                                                        \
  }
#endif

/* Loads and stores of each operand as it is stored. */
#ifdef WS_MIXED
#include "mixed.h"
#define WS_LOAD_AS(kind) WS_JOIN(ws_load_, kind)
#define WS_STORE_AS(kind) WS_JOIN(ws_store_, kind)
#define WS_LOAD_VALUES(a, unit) WS_LOAD_AS(WS_STORED_VALUES)(a, rest, unit)
#define WS_LOAD_GRADIENTS(a, unit) WS_LOAD_AS(WS_STORED_GRADIENTS)(a, 0, unit)
#define WS_LOAD_SLOT(i, a, unit) WS_LOAD_AS(WS_STORED_##i)(a, 0, unit)
#define WS_STORE_VALUES(a, unit, x) WS_STORE_AS(WS_STORED_VALUES)(a, rest, unit, x, source, 0u)
#define WS_STORE_GRADIENTS(a, unit, x) WS_STORE_AS(WS_STORED_GRADIENTS)(a, 0, unit, x, source, 1u)
#define WS_STORE_SLOT(i, a, unit, x) WS_STORE_AS(WS_STORED_##i)(a, 0, unit, x, source, i + 2u)
#define WS_STORE_GROUP(i, x) \
  WS_JOIN(ws_store_group_, WS_STORED_##i)(state##i, first, length, x, source, i + 2u)
/* A group's state is stored after the last of its units. */
#ifdef WS_CODED
#define WS_HOLD_STATE(i) held[i][unit_of_group] = s[i];
#endif
/* Draws for an operand, if it is rounded at random. */
#define WS_DRAW(kind, operand, at, length)        \
  if (WS_JOIN(WS_IS_RANDOM_, kind)) {             \
    ws_draw(source, operand, at, length);         \
  }
#define WS_MIXED_PARAMETERS , global WS_JOIN(WS_REST_, WS_STORED_VALUES) *rest
#define WS_AVERAGE_PARAMETERS , global float *average
#else
#define WS_LOAD_VALUES(a, unit) ws_load(a, unit)
#define WS_LOAD_GRADIENTS(a, unit) ws_load(a, unit)
#define WS_LOAD_SLOT(i, a, unit) ws_load_state(a, unit)
#define WS_STORE_VALUES(a, unit, x) ws_store(a, unit, x)
#define WS_STORE_GRADIENTS(a, unit, x) ws_store(a, unit, x)
#define WS_STORE_SLOT(i, a, unit, x) ws_store_state(a, unit, x)
#endif
