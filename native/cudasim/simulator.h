/* What the simulator's parts share. All state is under one lock. */
#ifndef CUDASIM_SIMULATOR_H
#define CUDASIM_SIMULATOR_H

#include <functional>
#include <mutex>
#include <string>

#include "driver_api.h"

/* --- control.cpp: injected failures and counts */

extern std::recursive_mutex simulator_lock;

/* What a test can ask for and set; the numbers are those of io.warmstep.backend.cuda.CudaSim. */
enum Control {
  CONTROL_FAIL_AT = 0,      /* a: which call, from 1 for the next; b: code, negative: for good */
  CONTROL_CALLS = 1,        /* calls since the last CONTROL_FAIL_AT */
  CONTROL_LIVE = 2,         /* handles and allocations not released, without CONTROL_PRIMARY */
  CONTROL_LIVE_BYTES = 3,   /* device memory in use */
  CONTROL_VIOLATIONS = 4,   /* damaged guard zones, misused handles, missing barriers, ever */
  CONTROL_MEMORY_LIMIT = 5, /* a: bytes of device memory */
  CONTROL_DEVICES = 6,      /* a: count of devices */
  CONTROL_CAPABILITY = 7,   /* a: 10 * major + minor */
  CONTROL_LAUNCHES = 8,     /* kernels run so far */
  CONTROL_WAITS = 9,        /* calls that waited for the device so far */
  CONTROL_CURRENT = 10,     /* contexts on this thread's stack */
  CONTROL_NEW_CONTEXT = 11, /* creates a context as a user would; its handle */
  CONTROL_NEW_STREAM = 12,  /* a: context; creates a stream; its handle */
  CONTROL_NEW_MEMORY = 13,  /* a: bytes, b: kind, see driver_api.h; its address */
  CONTROL_FREE_MEMORY = 14, /* a: address */
  CONTROL_END_CONTEXT = 15, /* a: context and b: stream; destroys both and all in the context */
  CONTROL_PENDING = 16,     /* operations that wait to be run */
  CONTROL_VERSION = 17,     /* a: 1000 * major + 10 * minor of the CUDA that the driver supports */
  CONTROL_PRIMARY = 18,     /* uses of the primary context, the most of any device */
  CONTROL_PHASES = 19,      /* a: an order of phases and barriers; violations that it made */
  CONTROL_CAPTURE = 30,     /* a: whether some thread captures a graph; b: from this stream */
  CONTROL_STREAM_WAITS = 31, /* a: stream; for how many events it was made to wait */
  CONTROL_RECOVER = 20,     /* as if devices that a kernel's fault made useless were there again */
  CONTROL_LOSE = 32,        /* a: a device, which is lost with all in its primary context; b: code */
  CONTROL_INTERPRETS = 21,  /* whether it runs PTX */
  CONTROL_INSTRUCTIONS = 22, /* of PTX, once for each thread, so far */
  CONTROL_NANOSECONDS = 23, /* of processors that those took */
  CONTROL_FAULT = 25,        /* what the interpreter found last: see interpreter.h */
  CONTROL_FORGET = 24,      /* a: of the violations, how many were made to see them found */
};

/* How many devices there are, and 10 * major + minor of their compute capability. */
int device_count();
int compute_capability();
int driver_version();

/* Counts a call; the code it must fail with, or success. */
CUresult admit();

void count_launch();
void count_wait();

/* A misuse that a real driver might not notice; printed and counted, or counted alone. */
void violation(const std::string &what);
void count_violation();
/* Those that were made to see whether they are found. */
void forget_violations(long long made);
long long violations();

/* --- memory.cpp: allocations with guard zones */

/* Memory goes with the context that owns it. */
CUresult allocate_device(
    CUdeviceptr *address, size_t bytes, const void *owner, long long kind = MEMORY_PLAIN);
CUresult allocate_host(void **address, size_t bytes, const void *owner);
void release_owned(const void *owner);
CUresult release_device(CUdeviceptr address);
CUresult release_host(void *address);
bool is_device_range(CUdeviceptr address, size_t bytes);
bool is_pinned_range(const void *address, size_t bytes);
/* The memory around an address, or the piece of it; false if the driver does not know. */
bool find_range(CUdeviceptr address, CUdeviceptr *start, size_t *bytes, bool *is_plain);
void check_guards();
long long live_allocations();
long long live_bytes();
long long memory_limit();
void set_memory_limit(long long bytes);

/* --- driver.cpp: contexts, streams and what waits in them */

/* After a kernel's fault every call in its context fails with its code. */
void lose(CUresult code);
long long live_handles();
long long primary_context_uses();
long long contexts_on_this_thread();
long long pending_operations();
long long control_handles(int what, long long a, long long b);

/* --- kernels.cpp: this project's kernels */

struct Kernel {
  const char *name;
  size_t argument_bytes;
  /* Runs the blocks of a grid with a copy of the arguments. */
  void (*run)(const void *arguments, unsigned blocks);
};

const Kernel *find_kernel(const std::string &name);

/* Does phases in an order with or without what must be between them; how many violations. */
long long run_phases(int order);

#endif
