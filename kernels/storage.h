/*
 * OpenCL: loads and stores of WS_LANES elements, widening and rounding where they are stored in 16
 * bits. The parameters of the build: see step.cl.
 */
typedef WS_JOIN(ws_real_, WS_ARITHMETIC) ws_one;
typedef WS_JOIN(WS_JOIN(ws_real_, WS_ARITHMETIC), v) ws_lanes;

#ifdef WS_STORED
typedef ushort ws_stored;
#define WS_WIDEN WS_JOIN(ws_from_, WS_STORED)
#define WS_NARROW WS_JOIN(ws_to_, WS_STORED)
#else
typedef ws_one ws_stored;
#endif

#define WS_VLOAD WS_JOIN(vload, WS_LANES)
#define WS_VSTORE WS_JOIN(vstore, WS_LANES)

/* WS_LANES places from `at`, of which those before `from` and from `to` on are another's. */
typedef struct {
  long at;
  int from;
  int to;
  int aligned;
} ws_unit;

/* The unit at a place, which can lie partly or wholly outside the `length` elements from 0. */
WS_INLINE ws_unit ws_unit_at(long at, long length, int aligned) {
  ws_unit unit;
  unit.at = at;
  unit.from = at < 0 ? (int)-at : 0;
  unit.to = length - at < WS_LANES ? (int)max(length - at, 0L) : WS_LANES;
  unit.aligned = aligned;
  return unit;
}

/* Elements of the arithmetic type. Places that are another's read as zero and are not written. */
WS_INLINE ws_lanes ws_load_state(global const ws_one *a, ws_unit unit) {
  ws_one lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    /* A device that has no access to unaligned vectors takes vload apart. */
    return unit.aligned ? *(global const ws_lanes *)(a + unit.at) : WS_VLOAD(0, a + unit.at);
  }
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = i >= unit.from && i < unit.to ? a[unit.at + i] : 0;
  }
  return WS_VLOAD(0, lanes);
}

WS_INLINE void ws_store_state(global ws_one *a, ws_unit unit, ws_lanes value) {
  ws_one lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    if (unit.aligned) {
      *(global ws_lanes *)(a + unit.at) = value;
    } else {
      WS_VSTORE(value, 0, a + unit.at);
    }
    return;
  }
  WS_VSTORE(value, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    if (i >= unit.from && i < unit.to) {
      a[unit.at + i] = lanes[i];
    }
  }
}

#ifndef WS_STORED
#define ws_load ws_load_state
#define ws_store ws_store_state
#else
typedef WS_JOIN(ushort, WS_LANES) ws_stored_lanes;

WS_INLINE ws_lanes ws_load(global const ushort *a, ws_unit unit) {
  ushort stored[WS_LANES];
  ws_one lanes[WS_LANES];
  int i;
  if (unit.to - unit.from == WS_LANES) {
    ws_stored_lanes whole =
        unit.aligned ? *(global const ws_stored_lanes *)(a + unit.at) : WS_VLOAD(0, a + unit.at);
    WS_VSTORE(whole, 0, stored);
  } else {
    for (i = 0; i < WS_LANES; i++) {
      stored[i] = i >= unit.from && i < unit.to ? a[unit.at + i] : 0;
    }
  }
  for (i = 0; i < WS_LANES; i++) {
    lanes[i] = WS_WIDEN(stored[i]);
  }
  return WS_VLOAD(0, lanes);
}

WS_INLINE void ws_store(global ushort *a, ws_unit unit, ws_lanes value) {
  ws_one lanes[WS_LANES];
  ushort stored[WS_LANES];
  int i;
  WS_VSTORE(value, 0, lanes);
  for (i = 0; i < WS_LANES; i++) {
    stored[i] = WS_NARROW(lanes[i]);
  }
  if (unit.to - unit.from == WS_LANES) {
    if (unit.aligned) {
      *(global ws_stored_lanes *)(a + unit.at) = WS_VLOAD(0, stored);
    } else {
      WS_VSTORE(WS_VLOAD(0, stored), 0, a + unit.at);
    }
    return;
  }
  for (i = 0; i < WS_LANES; i++) {
    if (i >= unit.from && i < unit.to) {
      a[unit.at + i] = stored[i];
    }
  }
}
#endif
