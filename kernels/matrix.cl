/*
 * The matrix phase on OpenCL 1.2: see matrix.cu, whose operations these are. Built once for each
 * arithmetic type; the parameters of the build: see step.cl, and
 *
 *   WS_SIDE     work-items along each side of a tile of a product
 *   WS_NUMBERS  numbers of a tensor
 *
 * A work-item holds WS_HELD rows of one vector each. On a processor it is alone in its group.
 */
#include "portable.h"
#include "half.h"
#include "storage.h"

#define WS_HELD 4
#define WS_ROWS (WS_HELD * WS_SIDE)
#define WS_COLUMNS (WS_LANES * WS_SIDE)
#define WS_DEPTH 16
#define WS_COPIED 8
#define WS_MATRIX_BARRIER barrier(CLK_LOCAL_MEM_FENCE)

/* Flags, as in abi.h. */
#define WS_TRANSPOSES 1
#define WS_STORES 2
#define WS_HALF 4
#define WS_COMBINES 8
#define WS_ADDS 16

/*
 * Between a slot and the workspace, some rows of the parameter in a work-group.
 *
 * parts: for each matrix where it begins in the slot, and its tensor among those of the launch
 */
kernel __attribute__((reqd_work_group_size(WS_SIDE * WS_SIDE, 1, 1))) void ws_copy(
    global ws_one *slot, global ws_one *workspace, global const ws_one *numbers,
    global const long *parts, long first_part, int rows, int columns, int flags) {
  int blocks = (rows - 1) / WS_COPIED + 1;
  long matrix = get_group_id(0) / blocks;
  int row = (int)(get_group_id(0) % blocks) * WS_COPIED;
  long tensor = parts[2 * (first_part + matrix) + 1];
  ws_one divisor = numbers[WS_NUMBERS * tensor];
  long e = (long)row * columns + get_local_id(0);
  long end = (long)min(rows, row + WS_COPIED) * columns;
  slot += parts[2 * (first_part + matrix)];
  workspace += matrix * rows * columns;
  for (; e < end; e += WS_SIDE * WS_SIDE) {
    long place = flags & WS_TRANSPOSES ? e % columns * rows + e / columns : e;
    if (flags & WS_STORES) {
      slot[e] = workspace[place];
    } else {
      workspace[place] = slot[e] / divisor;
    }
  }
}

/* Elements of `count` rows by the inner index, which is their last; outside of the matrix zeros. */
WS_INLINE void ws_rows(
    global const ws_one *from, int row, int rows, int depth, int at, int count, int pitch,
    local ws_one *to) {
  int e;
  for (e = get_local_id(0); e < count * WS_DEPTH; e += WS_SIDE * WS_SIDE) {
    int k = e % WS_DEPTH;
    int i = e / WS_DEPTH;
    to[k * pitch + i] =
        row + i < rows && at + k < depth ? from[(long)(row + i) * depth + at + k] : 0;
  }
}

/* A tile of a product. */
kernel __attribute__((reqd_work_group_size(WS_SIDE * WS_SIDE, 1, 1))) void ws_product(
    global const ws_one *left, global const ws_one *right, global const ws_one *other,
    global ws_one *out, int rows, int columns, int depth, int flags, ws_one factor,
    ws_one other_factor) {
  local ws_one left_tile[WS_DEPTH * WS_ROWS];
  local ws_one right_tile[WS_DEPTH * WS_COLUMNS];
  ws_lanes sums[WS_HELD];
  ws_one lanes[WS_LANES];
  int across = (columns - 1) / WS_COLUMNS + 1;
  int tiles = across * ((rows - 1) / WS_ROWS + 1);
  long matrix = get_group_id(0) / tiles;
  int tile = (int)(get_group_id(0) % tiles);
  int row = tile / across * WS_ROWS;
  int column = tile % across * WS_COLUMNS;
  int y = (int)get_local_id(0) / WS_SIDE * WS_HELD;
  int x = (int)get_local_id(0) % WS_SIDE * WS_LANES;
  int at, i, j, k;

  if (flags & WS_HALF && column + WS_COLUMNS <= row) {
    return;
  }
  left += matrix * rows * depth;
  right += matrix * depth * columns;
  other += matrix * rows * columns;
  out += matrix * rows * columns;
  for (i = 0; i < WS_HELD; i++) {
    sums[i] = 0;
  }
  for (at = 0; at < depth; at += WS_DEPTH) {
    int n = min(depth - at, WS_DEPTH);
    ws_rows(left, row, rows, depth, at, WS_ROWS, WS_ROWS, left_tile);
    if (flags & WS_TRANSPOSES) {
      ws_rows(right, column, columns, depth, at, WS_COLUMNS, WS_COLUMNS, right_tile);
    } else {
      int e;
      for (e = get_local_id(0); e < WS_COLUMNS * WS_DEPTH; e += WS_SIDE * WS_SIDE) {
        k = at + e / WS_COLUMNS;
        j = column + e % WS_COLUMNS;
        right_tile[e] = k < depth && j < columns ? right[(long)k * columns + j] : 0;
      }
    }
    WS_MATRIX_BARRIER;
    for (k = 0; k < n; k++) {
      ws_lanes b = WS_VLOAD(0, right_tile + k * WS_COLUMNS + x);
      for (i = 0; i < WS_HELD; i++) {
        sums[i] = fma((ws_lanes)left_tile[k * WS_ROWS + y + i], b, sums[i]);
      }
    }
    WS_MATRIX_BARRIER;
  }
  for (i = 0; i < WS_HELD; i++) {
    int to_row = row + y + i;
    WS_VSTORE(sums[i], 0, lanes);
    for (k = 0; k < WS_LANES; k++) {
      int to_column = column + x + k;
      long place = (long)to_row * columns + to_column;
      if (to_row < rows && to_column < columns && (!(flags & WS_HALF) || to_column >= to_row)) {
        ws_one value = lanes[k];
        if (flags & WS_COMBINES) {
          value = fma(factor, value, other_factor * other[place]);
        } else if (flags & WS_ADDS) {
          value = fma(other_factor, other[place], value);
        }
        out[place] = value;
        if (flags & WS_HALF) {
          out[(long)to_column * columns + to_row] = value;
        }
      }
    }
  }
}
