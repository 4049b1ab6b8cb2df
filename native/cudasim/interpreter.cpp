#include "interpreter.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "simulator.h"

namespace {
/* Larger allocations have no records of accesses, which take eight times as much memory. */
const size_t MOST_WATCHED = 256u << 20;

long long instructions = 0, nanoseconds = 0;

const char *chosen() {
  static const char *const run = std::getenv("CUDASIM_RUN");
  return run ? run : "source";
}

CUresult code_of(ptx::Fault fault) {
  switch (fault) {
    case ptx::Fault::BOUNDS:
    case ptx::Fault::READ_ONLY: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case ptx::Fault::MISALIGNED: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case ptx::Fault::ENDLESS: return CUDA_ERROR_LAUNCH_TIMEOUT;
    default: return CUDA_ERROR_LAUNCH_FAILED;
  }
}
}  // namespace

bool interprets_ptx() { return std::strcmp(chosen(), "ptx") == 0; }
bool run_is_unknown() { return !interprets_ptx() && std::strcmp(chosen(), "source") != 0; }

Shadow new_shadow(size_t bytes) {
  const size_t grains = bytes / ptx::GRAIN + 1;
  Shadow shadow;
  shadow.defined = (unsigned char *)std::calloc(bytes, 1);
  if (bytes > MOST_WATCHED) {
    static bool told = false;
    if (!told) std::fprintf(stderr, "cudasim: %zu bytes are not watched for data races\n", bytes);
    told = true;
    return shadow;
  }
  shadow.writers = (ptx::Access *)std::calloc(grains, sizeof(ptx::Access));
  shadow.readers = (ptx::Access *)std::calloc(grains, sizeof(ptx::Access));
  if (!shadow.writers || !shadow.readers) {
    std::free(shadow.writers);
    std::free(shadow.readers);
    shadow.writers = shadow.readers = nullptr;
  }
  return shadow;
}

void delete_shadow(Shadow &shadow) {
  std::free(shadow.defined);
  std::free(shadow.writers);
  std::free(shadow.readers);
  shadow = Shadow();
}

void run_ptx(const ptx::Loaded &module, ptx::Launch &launch) {
  if (is_lost()) return; /* as a device does after a fault */
  launch.regions = regions_of_memory();
  launch.regions.insert(launch.regions.end(), module.regions().begin(), module.regions().end());
  std::sort(launch.regions.begin(), launch.regions.end(),
            [](const ptx::Region &a, const ptx::Region &b) { return a.begin < b.begin; });
  const auto begin = std::chrono::steady_clock::now();
  ptx::run(launch);
  const auto time = std::chrono::steady_clock::now() - begin;
  instructions += (long long)launch.executed.load();
  nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  for (const ptx::Report &report : launch.reports) {
    violation(report.text);
    for (long long i = 1; i < report.times; i++) count_violation();
    if (ptx::is_fatal(report.fault)) lose(code_of(report.fault));
  }
}

long long ptx_instructions() { return instructions; }
long long ptx_nanoseconds() { return nanoseconds; }
