/* The project's kernels, compiled for the host from the same source as for the device. */
#include "host_grid.h"
#include "simulator.h"

#include <set>
#include <utility>
#include <vector>

thread_local int cudasim_block = 0;
thread_local SinceBarrier cudasim_since = NOTHING;
thread_local bool cudasim_in_phase = false;

void grid_violation(const char *file, int line, const char *what) {
  static std::set<std::pair<int, std::string>> seen;
  const std::string path = file, name = path.substr(path.rfind('/') + 1);
  if (seen.insert({line, name}).second) {
    violation(std::string(what) + ", " + name + ":" + std::to_string(line));
  } else {
    count_violation();
  }
}

namespace {
std::vector<Kernel> &kernels() {
  static std::vector<Kernel> list;
  return list;
}
}  // namespace

Listed::Listed(const char *name, size_t argument_bytes, void (*run)(const void *, unsigned)) {
  kernels().push_back({name, argument_bytes, run});
}

const Kernel *find_kernel(const std::string &name) {
  for (const Kernel &kernel : kernels()) {
    if (name == kernel.name) return &kernel;
  }
  return nullptr;
}

/* A rule's functions have parameters that only other rules need. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#include "../../kernels/step.cu"

#undef WS_ENTRY
#undef WS_SUMS_ENTRY
#undef WS_GROUP_SUMS_ENTRY
#undef WS_FACTORED_ENTRY
#undef WS_SHARED_SUMS_ENTRY
#undef WS_PASS_ENTRY
#include "../../kernels/norm.cu"

#include "../../kernels/matrix.cu"

#include "../../kernels/captured.cu"

namespace factors_cu {
#include "../../kernels/factors.cu"
}

/* The rules' headers once more. */
#undef WS_MATRIX_ENTRY
namespace sums_cu {
#include "../../kernels/sums.cu"
}

#undef WS_ENTRY
#undef WS_SUMS_ENTRY
#undef WS_GROUP_SUMS_ENTRY
#undef WS_FACTORED_ENTRY
#undef WS_SHARED_SUMS_ENTRY
#undef WS_MATRIX_ENTRY
#undef WS_BITS
namespace mixed_cu {
#include "../../kernels/mixed.cu"
}

/* Orders of words for the test of what is a violation; each is run for one block. */
long long run_phases(int order) {
  static int shared[WS_BLOCK];
  const long long before = violations();
  int sum = 0;
  begin_block(0);
  WS_THREADS(t) { shared[t] = t; }
  switch (order) {
    case 0: /* a barrier between phases, and before a read */
      WS_BARRIER();
      WS_THREADS(t) { sum += shared[WS_BLOCK - 1 - t]; }
      WS_BARRIER();
      sum += WS_UNIFORM(shared[0]);
      sum += WS_UNIFORM(shared[1]);
      break;
    case 1: /* phases that share nothing */
      WS_UNSHARED();
      WS_THREADS(t) { sum += t; }
      break;
    case 2: /* no barrier between phases */
      WS_THREADS(t) { sum += shared[WS_BLOCK - 1 - t]; }
      break;
    case 3: /* none before a read */
      sum += WS_UNIFORM(shared[0]);
      break;
    case 4: /* none between a read and a phase that may write */
      WS_BARRIER();
      sum += WS_UNIFORM(shared[0]);
      WS_THREADS(t) { shared[t] = sum; }
      break;
    case 5: /* a barrier that not all threads reach together */
      WS_BARRIER();
      WS_THREADS(t) {
        if (t == 0) WS_BARRIER();
      }
      break;
    case 6: /* one phase too many in a block does not concern the next one */
      begin_block(1);
      WS_THREADS(t) { shared[t] = sum; }
      break;
  }
  const long long made = violations() - before;
  forget_violations(made);
  return made;
}
