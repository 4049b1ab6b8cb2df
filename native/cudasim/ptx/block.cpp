/* Runs the threads of one block after the other: warp by warp, from barrier to barrier. */
#include <stdexcept>

#include "block_limits.h"
#include "warp_flow.h"

namespace ptx {

uint32_t Block::tick() {
  if (*clock_ >= MOST_TICKS) throw std::runtime_error("too many barriers in one launch");
  now = base_ | ++*clock_;
  return now;
}

void Block::run(unsigned long long number) {
  const Size3 grid = launch->grid;
  index.x = (unsigned)(number % grid.x);
  index.y = (unsigned)(number / grid.x % grid.y);
  index.z = (unsigned)(number / grid.x / grid.y);
  since = tick();
  std::fill(shared_defined_.begin(), shared_defined_.end(), (uint8_t)0);
  std::fill(local_defined.begin(), local_defined.end(), (uint8_t)0);
  for (Warp &warp : warps) begin(warp);
  for (bool waits = true; waits;) {
    waits = false;
    for (Warp &warp : warps) {
      if (warp.live) waits = run(warp) || waits;
    }
    if (waits) release();
  }
  for (Warp &warp : warps) {
    launch->executed.fetch_add(warp.executed, std::memory_order_relaxed);
    warp.executed = 0;
  }
}

void Block::begin(Warp &w) {
  const unsigned long long threads = launch->block.count();
  const unsigned long long left = threads - w.index * (unsigned long long)LANES;
  w.live = left >= LANES ? ~0u : (1u << left) - 1;
  w.waiting.clear();
  w.next_pc = ~0u;
  w.pc = 0;
  w.steps = 0;
  w.at_barrier = w.forced = false;
  w.time = now;
  set_mask(w, w.live);
  for (uint32_t row : program->unset_rows) w.defined[row / ROW] = 0;
  for (uint32_t p : program->unset_predicates) w.predicates_defined[p] = 0;
  set_specials(w);
}

/* All that have not ended are at a barrier; it must be the same. */
void Block::release() {
  const Warp *first = nullptr;
  for (Warp &w : warps) {
    if (!w.at_barrier) continue;
    if (first && w.pc != first->pc) {
      fault(w, (unsigned)__builtin_ctz(w.mask), Fault::BARRIER,
            "waits at this barrier while thread " +
                std::to_string(first->thread((unsigned)__builtin_ctz(first->mask))) +
                " waits at that of line " + std::to_string(program->lines[first->pc]));
    }
    if (!first) first = &w;
  }
  since = tick();
  for (Warp &w : warps) {
    if (!w.at_barrier) continue;
    w.at_barrier = false;
    w.time = now;
    w.pc++;
    if (w.waiting.empty()) continue;
    for (Waiting &one : w.waiting) {
      if (one.parked) one.pc++;
      one.parked = false;
    }
    settle(w);
  }
}

uint32_t Block::guard_of(Warp &w, const Instr &in) {
  if (in.guard == NO_PREDICATE) return w.mask;
  const uint32_t unset = w.mask & ~w.predicates_defined[in.guard];
  if (unset) {
    fault(w, (unsigned)__builtin_ctz(unset), Fault::UNSET,
          "depends on a predicate that was never set");
  }
  const uint32_t p = w.predicates[in.guard];
  return w.mask & (in.guard_negated ? ~p : p);
}

void Block::guarded(Warp &w, const Instr &in) {
  const uint32_t all = w.mask, mask = guard_of(w, in);
  if (mask == all) {
    in.run(w, in);
  } else if (mask) {
    set_mask(w, mask);
    in.run(w, in);
    set_mask(w, all);
  }
}

void Block::branch(Warp &w, const Instr &in) {
  const uint32_t taken = guard_of(w, in);
  if (taken && in.target <= w.pc) {
    if (launch->stopped.load(std::memory_order_relaxed)) throw Stop{Fault::ENDLESS};
    if (w.steps > launch->most_steps) {
      fault(w, (unsigned)__builtin_ctz(taken), Fault::ENDLESS,
            "is in a loop that goes on after " + std::to_string(w.steps) +
                " instructions of a warp (CUDASIM_PTX_STEPS sets how many are allowed)");
    }
  }
  if (!taken) {
    w.pc++;
  } else if (taken == w.mask) {
    w.pc = in.target;
  } else {
    w.waiting.push_back({in.target, taken, false});
    w.pc++;
    w.mask &= ~taken;
    settle(w);
  }
}

/* Whether nobody of the warp is left. */
bool Block::leave(Warp &w, const Instr &in) {
  const uint32_t left = guard_of(w, in);
  w.live &= ~left;
  if (left == w.mask) {
    w.mask = 0;
    settle(w);
  } else {
    w.pc++;
    set_mask(w, w.mask & ~left);
  }
  return w.live == 0;
}

/* Whether the whole warp is there. */
bool Block::barrier(Warp &w) {
  join_parked(w);
  if (w.mask == w.live) {
    w.at_barrier = true;
    return true;
  }
  park(w);
  return false;
}

/*
 * A shuffle, a vote or a barrier of the warp: run once all threads that it names are there. Threads
 * that name others than the first one does have a turn of their own.
 */
void Block::together(Warp &w, const Instr &in) {
  join_parked(w);
  const uint32_t *named = (const uint32_t *)(w.rows + in.s[0]);
  const unsigned first = (unsigned)__builtin_ctz(w.mask);
  const uint32_t members = named[first];
  uint32_t mask = 0;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const unsigned l = (unsigned)__builtin_ctz(left);
    if (named[l] == members) mask |= 1u << l;
  }
  if (mask != w.mask) {
    w.waiting.push_back({w.pc, w.mask & ~mask, false});
    set_mask(w, mask);
    w.next_pc = w.pc;
  }
  const uint32_t absent = members & w.live & ~mask;
  if (absent && !w.forced) {
    park(w);
    return;
  }
  w.forced = false;
  if (absent) {
    fault(w, first, Fault::BARRIER,
          "names thread " + std::to_string(w.thread((unsigned)__builtin_ctz(absent))) +
              ", which does not come here");
  }
  if (mask & ~members) {
    fault(w, (unsigned)__builtin_ctz(mask & ~members), Fault::BARRIER,
          "is not among the threads that it names");
  }
  if (in.run) {
    in.run(w, in);
  } else {
    w.time = tick();
  }
  w.pc++;
}

bool Block::run(Warp &w) {
  const Instr *code = program->code.data();
  for (;;) {
    if (w.pc >= w.next_pc) settle(w);
    if (!w.mask) {
      /* All wait for others that do not come. Those at a barrier of the block may stay. */
      Waiting *stuck = nullptr;
      for (Waiting &one : w.waiting) {
        if (code[one.pc].flow == Flow::TOGETHER && (!stuck || one.pc < stuck->pc)) stuck = &one;
      }
      const bool together = stuck != nullptr;
      if (!stuck) stuck = &w.waiting.front();
      stuck->parked = false;
      settle(w);
      join_parked(w);
      if (together) {
        w.forced = true;
        continue;
      }
      if (w.mask != w.live) {
        fault(w, (unsigned)__builtin_ctz(w.mask), Fault::BARRIER,
              "waits at this barrier while others of its warp wait at that of line " +
                  std::to_string(program->lines[w.waiting.front().pc]));
      }
      w.at_barrier = true;
      return true;
    }
    const Instr &in = code[w.pc];
    w.executed += w.active;
    w.steps++;
    switch (in.flow) {
      case Flow::PLAIN:
        in.run(w, in);
        w.pc++;
        break;
      case Flow::GUARDED:
        guarded(w, in);
        w.pc++;
        break;
      case Flow::BRANCH: branch(w, in); break;
      case Flow::EXIT:
        if (leave(w, in)) return false;
        break;
      case Flow::BARRIER:
        if (barrier(w)) return true;
        break;
      case Flow::TOGETHER: together(w, in); break;
    }
  }
}

}  // namespace ptx
