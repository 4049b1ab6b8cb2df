/* The project's kernels, compiled for the host from the same source as for the device. */
#include "host_grid.h"
#include "simulator.h"

#include <vector>

thread_local int cudasim_block = 0;

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

#include "../../kernels/step.cu"

#include "../../kernels/norm.cu"
