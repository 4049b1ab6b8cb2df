/*
 * Zeroing on OpenCL 1.2: sets runs of elements in one buffer to zero.
 *
 *   WS_WORD    an integer as large as an element
 *   WS_LOCAL   work-items of a work-group
 *   WS_TILE    elements of a work-group
 *
 * segments: for each 3 longs: first tile, length, offset; tiles: segment of each tile, unused if there
 * is one segment.
 */
kernel __attribute__((reqd_work_group_size(WS_LOCAL, 1, 1))) void ws_zero(
    int has_tiles, global const long *segments, global const int *tiles, global WS_WORD *buffer) {
  long tile = get_group_id(0);
  global const long *segment = segments + 3 * (long)(has_tiles ? tiles[tile] : 0);
  long from = (tile - segment[0]) * WS_TILE;
  long to = min(from + WS_TILE, segment[1]);
  long i;
  for (i = from + get_local_id(0); i < to; i += WS_LOCAL) {
    buffer[segment[2] + i] = 0;
  }
}
