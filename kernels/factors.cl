/*
 * What comes before the first phase where squares are kept as factors, on OpenCL 1.2: sums of squared
 * gradients over the rows and columns of matrices, by which the factors move. A tile has 64 rows and
 * 256 columns at most. In it the squares of a row are added up by halves, 128 down to 1, and those of a
 * column one after the other; then the sums of tiles one after the other, and what phases read is formed,
 * see operands.h. See NUMERICS.md. Built once for each rule with factors and storage type; the parameters
 * of the build: see step.cl.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"
#include "operands.h"
#undef WS_BITS
#define WS_BITS WS_ARITHMETIC
#include "gradient.h"

#define WS_TILE_ROWS 64
#define WS_TILE_COLUMNS 256
#define WS_ROWS_AT_ONCE 8
#define WS_HELD (WS_TILE_COLUMNS / WS_LOCAL) /* columns of a work-item */
#if WS_LOCAL > 1
#define WS_BARRIER barrier(CLK_LOCAL_MEM_FENCE)
#else
#define WS_BARRIER /* see tree.h */
#endif
#ifdef WS_STORED
#define WS_LOAD(a, at) WS_WIDEN(a[at])
#else
#define WS_LOAD(a, at) a[at]
#endif

/* What a segment has after the number of its first tile, the length and the group. */
#define WS_GRADIENTS segment[3]
#define WS_ROW_FACTORS segment[4]
#define WS_COLUMN_FACTORS segment[5]
#define WS_ROW_INVERSES segment[6]
#define WS_COLUMN_INVERSES segment[7]
#define WS_ROW_SUMS segment[8]
#define WS_COLUMN_SUMS segment[9]
#define WS_HEIGHT segment[10]
#define WS_WIDTH segment[11]
#define WS_ACROSS ((WS_WIDTH - 1) / WS_TILE_COLUMNS + 1)
#define WS_DOWN ((WS_HEIGHT - 1) / WS_TILE_ROWS + 1)

/* Adds up by halves what `rows` rows of the scratch hold; the sums are their first elements. */
WS_INLINE void ws_halves(local ws_one *scratch, int rows) {
  int width, e;
  for (width = WS_TILE_COLUMNS / 2; width > 0; width /= 2) {
    WS_BARRIER;
    for (e = get_local_id(0); e < rows * width; e += WS_LOCAL) {
      int at = e / width * WS_TILE_COLUMNS + e % width;
      scratch[at] += scratch[at + width];
    }
  }
  WS_BARRIER;
}

/* The sums of one tile. */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_factor_tiles(
    ws_groups_argument groups, ws_one scale, ws_one prescale, ws_one clip_value, int from_control,
    int has_tiles, global const ws_one *control, global const long *segments,
    global const int *tiles, global const ws_stored *g, global ws_one *row_sums,
    global ws_one *column_sums) {
  local ws_one scratch[WS_ROWS_AT_ONCE * WS_TILE_COLUMNS];
  long group_id = get_group_id(0);
  global const long *segment = segments + WS_SEGMENT * (long)(has_tiles ? tiles[group_id] : 0);
  long tile = group_id - segment[0];
  long across = tile % WS_ACROSS;
  long down = tile / WS_ACROSS % WS_DOWN;
  long matrix = tile / WS_ACROSS / WS_DOWN;
  long first_row = matrix * WS_HEIGHT + down * WS_TILE_ROWS;
  long first_column = across * WS_TILE_COLUMNS;
  int rows = (int)min(WS_HEIGHT - down * WS_TILE_ROWS, (long)WS_TILE_ROWS);
  int columns = (int)min(WS_WIDTH - first_column, (long)WS_TILE_COLUMNS);
  ws_one numbers[WS_FIELDS];
  ws_one sums[WS_HELD];
  int lid = get_local_id(0);
  int from, e, i, h;

  WS_NUMBERS_OF_GROUP(groups, (int)(segment[2] & 0xffffff), numbers);
  scale = (from_control ? control[0] : scale) * numbers[WS_SIGN_OF_GRADIENTS];
  g += WS_GRADIENTS;
  row_sums += WS_ROW_SUMS;
  column_sums += WS_COLUMN_SUMS + (matrix * WS_DOWN + down) * WS_WIDTH + first_column;
  for (h = 0; h < WS_HELD; h++) {
    sums[h] = 0;
  }
  for (from = 0; from < rows; from += WS_ROWS_AT_ONCE) {
    int n = min(rows - from, WS_ROWS_AT_ONCE);
    for (e = lid; e < n * WS_TILE_COLUMNS; e += WS_LOCAL) {
      int column = e % WS_TILE_COLUMNS;
      ws_one x = 0;
      if (column < columns) {
        long at = (first_row + from + e / WS_TILE_COLUMNS) * WS_WIDTH + first_column + column;
        x = WS_PREPARED(scale, prescale, clip_value, WS_LOAD(g, at), 0);
      }
      scratch[e] = x * x;
    }
    WS_BARRIER;
    for (h = 0; h < WS_HELD; h++) {
      for (i = 0; i < n; i++) {
        sums[h] += scratch[i * WS_TILE_COLUMNS + lid + h * WS_LOCAL];
      }
    }
    ws_halves(scratch, n);
    for (i = lid; i < n; i += WS_LOCAL) {
      row_sums[(first_row + from + i) * WS_ACROSS + across] = scratch[i * WS_TILE_COLUMNS];
    }
    WS_BARRIER;
  }
  for (h = 0; h < WS_HELD; h++) {
    if (lid + h * WS_LOCAL < columns) {
      column_sums[lid + h * WS_LOCAL] = sums[h];
    }
  }
}

/* The rows of a matrix, or 256 of its columns: first the rows, then the columns of each. */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_factor_join(
    ws_groups_argument groups, int has_tiles, global const long *segments, global const int *tiles,
    global ws_one *row_factors, global ws_one *column_factors, global const ws_one *row_sums,
    global const ws_one *column_sums, global ws_one *row_inverses, global ws_one *column_inverses,
    int from_control, global const ws_one *control) {
  local ws_one scratch[WS_TILE_COLUMNS];
  long group_id = get_group_id(0);
  global const long *segment = segments + WS_SEGMENT * (long)(has_tiles ? tiles[group_id] : 0);
  long parts = 1 + WS_ACROSS;
  long part = (group_id - segment[0]) % parts;
  long matrix = (group_id - segment[0]) / parts;
  ws_one numbers[WS_FIELDS];
  ws_one fresh, mean, root, factor;
  int lid = get_local_id(0);
  long at, k;
  int lane;

  if (WS_IS_SKIPPED(from_control, control)) {
    return;
  }
  WS_NUMBERS_OF_GROUP(groups, (int)(segment[2] & 0xffffff), numbers);
  fresh = numbers[0];
  if (part > 0) {
    column_factors += WS_COLUMN_FACTORS + matrix * WS_WIDTH;
    column_sums += WS_COLUMN_SUMS + matrix * WS_DOWN * WS_WIDTH;
    column_inverses += WS_COLUMN_INVERSES + matrix * WS_WIDTH;
    for (lane = lid; lane < WS_TILE_COLUMNS; lane += WS_LOCAL) {
      at = (part - 1) * WS_TILE_COLUMNS + lane;
      if (at < WS_WIDTH) {
        ws_one sum = 0;
        for (k = 0; k < WS_DOWN; k++) {
          sum += column_sums[k * WS_WIDTH + at];
        }
        mean = sum / (ws_one)WS_HEIGHT;
        factor = column_factors[at];
        factor = WS_FMA(fresh, mean - factor, factor);
        column_factors[at] = factor;
        column_inverses[at] = 1 / WS_SQRT(factor);
      }
    }
    return;
  }
  row_factors += WS_ROW_FACTORS + matrix * WS_HEIGHT;
  row_sums += WS_ROW_SUMS + matrix * WS_HEIGHT * WS_ACROSS;
  row_inverses += WS_ROW_INVERSES + matrix * WS_HEIGHT;
  for (lane = lid; lane < WS_TILE_COLUMNS; lane += WS_LOCAL) {
    ws_one all = 0;
    for (at = lane; at < WS_HEIGHT; at += WS_TILE_COLUMNS) {
      ws_one sum = 0;
      for (k = 0; k < WS_ACROSS; k++) {
        sum += row_sums[at * WS_ACROSS + k];
      }
      mean = sum / (ws_one)WS_WIDTH;
      factor = row_factors[at];
      factor = WS_FMA(fresh, mean - factor, factor);
      row_factors[at] = factor;
      row_inverses[at] = factor;
      all += factor;
    }
    scratch[lane] = all;
  }
  ws_halves(scratch, 1);
  root = WS_SQRT(WS_MAX(scratch[0] / (ws_one)WS_HEIGHT, WS_OR_EPSILON(numbers[1])));
  for (lane = lid; lane < WS_TILE_COLUMNS; lane += WS_LOCAL) {
    for (at = lane; at < WS_HEIGHT; at += WS_TILE_COLUMNS) {
      row_inverses[at] = root / WS_SQRT(row_inverses[at]);
    }
  }
}
