/* Threads of a warp at different instructions. */
#ifndef PTX_WARP_FLOW_H
#define PTX_WARP_FLOW_H

#include "warp.h"

namespace ptx {

/* Has these threads run. */
void set_mask(Warp &warp, uint32_t mask);
/* Has those run that are furthest behind, of the running and the waiting ones; none if all parked. */
void settle(Warp &warp);
/* The running ones wait until others come to their instruction, and the others run. */
void park(Warp &warp);
/* The running ones take along those that are parked at the same instruction. */
void join_parked(Warp &warp);

}  // namespace ptx

#endif
