/* Injected failures, counts, and the door by which tests reach them. */
#include <cstdio>
#include <cstdlib>

#include "interpreter.h"
#include "simulator.h"

std::recursive_mutex simulator_lock;

namespace {
long long calls = 0;
long long fail_at = 0; /* 0: never */
int fail_code = 0;
bool fails_for_good = false;
long long violation_count = 0;
long long launches = 0;
long long waits = 0;
/* CUDASIM_DEVICES=N: as many, instead of one. */
int devices_from_start() {
  const char *count = std::getenv("CUDASIM_DEVICES");
  return count ? std::atoi(count) : 1;
}
int devices = devices_from_start();
int capability = 90;
int version = 12060;

/* What a process leaves behind is said at its end, if asked for. */
struct ExitReport {
  ~ExitReport() {
    if (std::getenv("CUDASIM_REPORT")) {
      std::fprintf(
          stderr, "cudasim: %lld allocations and handles left, %lld bytes, %lld violations\n",
          live_allocations() + live_handles(), live_bytes(), violation_count);
      report_ptx();
    }
  }
} exit_report;
}  // namespace

int device_count() { return devices; }
int compute_capability() { return capability; }
int driver_version() { return version; }
void count_launch() { launches++; }
void count_wait() { waits++; }
long long violations() { return violation_count; }

CUresult admit() {
  calls++;
  if (fail_at > 0 && (calls == fail_at || (fails_for_good && calls > fail_at))) {
    return (CUresult)fail_code;
  }
  return CUDA_SUCCESS;
}

void count_violation() { violation_count++; }
void forget_violations(long long made) { violation_count -= made; }

void violation(const std::string &what) {
  count_violation();
  std::fprintf(stderr, "cudasim: %s\n", what.c_str());
}

/* The native method control of the test class CudaSim; the first two arguments are the JVM's. */
CUDASIM_API int64_t Java_io_warmstep_backend_cuda_CudaSim_control(
    void *, void *, int what, int64_t a, int64_t b) {
  std::lock_guard<std::recursive_mutex> guard(simulator_lock);
  switch (what) {
    case CONTROL_FAIL_AT:
      calls = 0;
      fail_at = a;
      fail_code = (int)(b < 0 ? -b : b);
      fails_for_good = b < 0;
      return 0;
    case CONTROL_CALLS: return calls;
    case CONTROL_LIVE: return live_allocations() + live_handles();
    case CONTROL_LIVE_BYTES: return live_bytes();
    case CONTROL_VIOLATIONS: check_guards(); return violation_count;
    case CONTROL_MEMORY_LIMIT: set_memory_limit(a); return 0;
    case CONTROL_DEVICES: devices = (int)a; return 0;
    case CONTROL_CAPABILITY: capability = (int)a; return 0;
    case CONTROL_LAUNCHES: return launches;
    case CONTROL_WAITS: return waits;
    case CONTROL_CURRENT: return contexts_on_this_thread();
    case CONTROL_PENDING: return pending_operations();
    case CONTROL_VERSION: version = (int)a; return 0;
    case CONTROL_PRIMARY: return primary_context_uses();
    case CONTROL_PHASES: return run_phases((int)a);
    case CONTROL_INTERPRETS: return interprets_ptx();
    case CONTROL_INSTRUCTIONS: return ptx_instructions();
    case CONTROL_NANOSECONDS: return ptx_nanoseconds();
    case CONTROL_FAULT: return last_fault();
    case CONTROL_FORGET: forget_violations(a); return 0;
    default: return control_handles(what, a, b);
  }
}
