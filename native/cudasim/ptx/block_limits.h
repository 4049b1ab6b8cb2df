/* How long a host thread's clock can run, and what sets it apart from others: see shadow.h. */
#ifndef PTX_BLOCK_LIMITS_H
#define PTX_BLOCK_LIMITS_H

#include <algorithm>

#include "warp.h"

namespace ptx {

const unsigned CLOCK_BITS = 28;
const uint32_t MOST_TICKS = (1u << CLOCK_BITS) - 1;
const unsigned MOST_WORKERS = 8;

}  // namespace ptx

#endif
