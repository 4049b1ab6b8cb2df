/*
 * The driver API. Work that a stream takes is not done at the call but when somebody waits, in the
 * order of the calls: the latest moment that a real device could do it, so that memory reused too
 * early shows. Calls that release do so even when they are made to fail, as a driver does that only
 * reports an earlier failure with them.
 */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "interpreter.h"
#include "simulator.h"

#define LOCK() std::lock_guard<std::recursive_mutex> lock(simulator_lock)
/* Ends a call that is to fail. */
#define ADMIT()                                              \
  LOCK();                                                    \
  if (CUresult failure = admit(); failure != CUDA_SUCCESS) return failure
/* The same for a call that needs a context. */
#define ADMIT_IN_CONTEXT()                            \
  ADMIT();                                            \
  if (!current()) return CUDA_ERROR_INVALID_CONTEXT;  \
  if (lost_code() != CUDA_SUCCESS) return lost_code()

/* Ends a call with what is not success. */
#define TRY(call) \
  if (CUresult failure = (call); failure != CUDA_SUCCESS) return failure

struct Context {
  int device = 0;
  int uses = 0; /* of a device's primary context */
  CUresult lost = CUDA_SUCCESS;
};
/* What a stream was given while it captured, in its order. */
struct Operation {
  std::function<void()> run;
  bool is_launch;
};
struct Graph {
  Context *owner;
  std::vector<Operation> operations;
};
struct GraphExec {
  Context *owner;
  std::vector<Operation> operations;
};
struct Stream {
  Context *owner;
  bool captures = false; /* as a test says, or into the graph */
  bool is_apart = false; /* CU_STREAM_NON_BLOCKING: in no order with the others */
  int waits = 0;         /* for events, made by its user */
  std::unique_ptr<Graph> graph = nullptr;
  bool is_invalid = false; /* of the capture, which can only be ended */
  int mode = 0;
  std::thread::id capturer = {};
};
/* Has happened once what the stream took before it was last recorded is done. */
struct Event {
  Context *owner;
  bool times = true;
  long long recorded = 0; /* how many times */
  long long reached = 0;  /* which of those the stream has come to */
  bool is_captured = false; /* when it was last recorded */
  std::chrono::steady_clock::time_point when;

  bool happened() const { return reached == recorded; }
};
/* Of the kernels' source or of PTX; the other is null. */
struct Function {
  std::string name;
  const Kernel *kernel;
  const ptx::Program *program;
  std::shared_ptr<const ptx::Loaded> loaded;
};
struct Module {
  Context *owner = nullptr;
  std::deque<Function> functions;
};

namespace {
bool initialized = false;
constexpr int MAX_DEVICES = 16;
Context primary[MAX_DEVICES];
std::set<Context *> contexts;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Module *> modules;
std::set<Function *> functions;
std::set<Graph *> graphs;
std::set<GraphExec *> graph_execs;
/* Work that a stream has taken. */
struct Pending {
  Context *context;
  std::function<void()> run;
};
std::deque<Pending> pending;
Context *running = nullptr; /* whose work is being done */
thread_local std::vector<Context *> stack;
bool is_capturing = false;
const int CAPTURE_MODE_GLOBAL = 0, CAPTURE_MODE_RELAXED = 2;
thread_local int capture_mode = CAPTURE_MODE_GLOBAL;

const size_t MOST_PENDING = 4096;

bool is_context(Context *context) {
  const bool is_primary = context >= primary && context < primary + MAX_DEVICES;
  return (is_primary && context->uses > 0) || contexts.count(context) > 0;
}

Context *current() {
  if (stack.empty()) return nullptr;
  if (!is_context(stack.back())) {
    violation("a context that was released is current");
    return nullptr;
  }
  return stack.back();
}

Stream *new_stream(Context *owner) {
  Stream *stream = new Stream();
  stream->owner = owner;
  return stream;
}

bool is_stream(Stream *stream) { return !stream || streams.count(stream) > 0; }

/*
 * One whose work is done in order with the others', or goes into a graph. On another, only copies to the
 * host are.
 */
bool is_in_order(Stream *stream) {
  return is_stream(stream) && !(stream && stream->is_apart && !stream->graph);
}

CUresult lost_code() { return current() ? current()->lost : CUDA_SUCCESS; }

/* For a call that releases: it does so whatever it has to say. */
CUresult admit_release() {
  const CUresult failure = admit();
  return failure != CUDA_SUCCESS ? failure : lost_code();
}

/* A device that is lost does nothing more. */
void run_next() {
  Pending next = std::move(pending.front());
  pending.pop_front();
  if (next.context->lost != CUDA_SUCCESS) return;
  running = next.context;
  next.run();
}

void run_pending() {
  while (!pending.empty()) run_next();
}

void enqueue(std::function<void()> operation) {
  pending.push_back({current(), std::move(operation)});
  if (pending.size() > MOST_PENDING) run_pending();
}

/* Work that a stream takes, into its graph if it captures. */
void later(Stream *stream, std::function<void()> operation, bool is_launch = false) {
  if (stream && stream->graph) {
    stream->graph->operations.push_back({std::move(operation), is_launch});
    return;
  }
  if (is_launch) count_launch();
  enqueue(std::move(operation));
}

/*
 * Whether a call that could wait for the device may be made now: not by a thread that captures in another
 * than the relaxed mode, and by nobody while a stream captures in the global one, unless the thread itself
 * is in the relaxed mode. Such a call ends the capture.
 */
CUresult unsafe_call() {
  CUresult result = CUDA_SUCCESS;
  for (Stream *stream : streams) {
    if (!stream->graph || stream->mode == CAPTURE_MODE_RELAXED) continue;
    const bool is_own = stream->capturer == std::this_thread::get_id();
    if (is_own || (stream->mode == CAPTURE_MODE_GLOBAL && capture_mode != CAPTURE_MODE_RELAXED)) {
      stream->is_invalid = true;
      result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
  }
  return result;
}

/* What no capturing stream can do. */
CUresult outside_capture(Stream *stream) {
  if (!stream || !stream->graph) return CUDA_SUCCESS;
  stream->is_invalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

/* Whether a stream takes work: not once its capture was invalidated. */
CUresult takes_work(Stream *stream) {
  return stream && stream->graph && stream->is_invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
                                                       : CUDA_SUCCESS;
}

void wait() {
  count_wait();
  run_pending();
  check_guards();
}

template <typename T> bool take(std::set<T *> &from, T *handle, const char *what) {
  if (from.erase(handle) == 0) {
    violation(std::string(what) + " that does not exist was released");
    return false;
  }
  return true;
}

/* What would end the capture of a graph by another thread. */
void check_capture() {
  if (is_capturing && capture_mode != CAPTURE_MODE_RELAXED) {
    violation("memory was allocated or freed while a graph is captured");
  }
}

template <typename T> void destroy_owned(std::set<T *> &from, Context *owner) {
  for (auto at = from.begin(); at != from.end();) {
    if ((*at)->owner == owner) {
      delete *at;
      at = from.erase(at);
    } else {
      ++at;
    }
  }
}

/* The bytes of the one argument of an entry in the text of a PTX module. */
size_t declared_bytes(const std::string &ptx, size_t entry) {
  const size_t end = ptx.find('{', entry);
  const size_t open = ptx.find('[', entry);
  if (open == std::string::npos || open > end) return 0;
  return std::strtoull(ptx.c_str() + open + 1, nullptr, 10);
}

/* Any module whose instructions the interpreter knows. */
CUresult load_ptx(const std::string &text, Module *module, std::string *log) {
  try {
    const auto loaded = std::make_shared<const ptx::Loaded>(text_to_run(text));
    for (const auto &program : loaded->programs()) {
      module->functions.push_back({program->entry->name, nullptr, program.get(), loaded});
    }
    return CUDA_SUCCESS;
  } catch (const ptx::Error &e) {
    *log = std::string("cudasim: ") + e.what() + "\n";
    return CUDA_ERROR_INVALID_PTX;
  }
}

/*
 * Only this project's kernels: each entry must be one that is compiled in, with its arguments. What
 * is wrong is said in the log.
 */
CUresult load(const std::string &ptx, Module *module, std::string *log) {
  if (interprets_ptx()) return load_ptx(ptx, module, log);
  const std::string word = ".visible .entry ";
  if (ptx.find(".version ") == std::string::npos) {
    *log = "cudasim: the module has no .version\n";
    return CUDA_ERROR_INVALID_PTX;
  }
  for (size_t at = ptx.find(word); at != std::string::npos; at = ptx.find(word, at + 1)) {
    const size_t name = at + word.size();
    const std::string entry = ptx.substr(name, ptx.find('(', name) - name);
    const Kernel *kernel = find_kernel(entry);
    if (!kernel || declared_bytes(ptx, name) != kernel->argument_bytes) {
      *log = "cudasim: entry " + entry +
             (kernel ? " has other arguments than the kernel" : " is no kernel") +
             " of this simulator, built from other sources: build it again\n";
      return CUDA_ERROR_INVALID_PTX;
    }
    module->functions.push_back({entry, kernel, nullptr, nullptr});
  }
  if (!module->functions.empty()) return CUDA_SUCCESS;
  *log = "cudasim: the module has no entry\n";
  return CUDA_ERROR_INVALID_PTX;
}

/*
 * Where the options of cuModuleLoadDataEx want the log of errors. Of the options only these two are
 * known; the size comes as the value itself, and the count of bytes written replaces it.
 */
struct LogOptions {
  char *buffer = nullptr;
  void **size = nullptr;

  bool read(unsigned count, const int *options, void **values) {
    for (unsigned i = 0; i < count; i++) {
      switch (options[i]) {
        case 5: buffer = (char *)values[i]; break; /* CU_JIT_ERROR_LOG_BUFFER */
        case 6: size = &values[i]; break;          /* CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES */
        default: return false;
      }
    }
    return !buffer == !size;
  }

  void write(const std::string &log) const {
    if (!buffer) return;
    const size_t room = (size_t)(uintptr_t)*size;
    const size_t n = room == 0 ? 0 : std::min(log.size(), room - 1);
    std::memcpy(buffer, log.data(), n);
    if (room > 0) buffer[n] = 0;
    *size = (void *)(uintptr_t)n;
  }
};
}  // namespace

void lose(CUresult code) { running->lost = code; }

long long live_handles() {
  return (long long)(contexts.size() + streams.size() + events.size() + modules.size() +
                     graphs.size() + graph_execs.size());
}

long long primary_context_uses() {
  int most = 0;
  for (const Context &context : primary) most = std::max(most, context.uses);
  return most;
}

long long contexts_on_this_thread() { return (long long)stack.size(); }
long long pending_operations() { return (long long)pending.size(); }

/* What a pipeline that uses CUDA itself would have made; no calls of the library's. */
long long control_handles(int what, long long a, long long b) {
  switch (what) {
    case CONTROL_NEW_CONTEXT: return (long long)(intptr_t)*contexts.insert(new Context()).first;
    case CONTROL_NEW_STREAM:
      return (long long)(intptr_t)*streams.insert(new_stream((Context *)(intptr_t)a)).first;
    case CONTROL_NEW_MEMORY: {
      CUdeviceptr address = 0;
      const CUresult result = allocate_device(&address, (size_t)a, nullptr, b);
      return result == CUDA_SUCCESS ? (long long)address : 0;
    }
    case CONTROL_RECOVER:
      for (Context &context : primary) context.lost = CUDA_SUCCESS;
      for (Context *context : contexts) context->lost = CUDA_SUCCESS;
      return 0;
    case CONTROL_LOSE: primary[a].lost = (CUresult)b; return 0;
    case CONTROL_STREAM_WAITS: return ((Stream *)(intptr_t)a)->waits;
    case CONTROL_CAPTURE:
      if (b) ((Stream *)(intptr_t)b)->captures = a != 0;
      is_capturing = a != 0;
      return 0;
    case CONTROL_FREE_MEMORY: run_pending(); return release_device((CUdeviceptr)a);
    case CONTROL_END_CONTEXT: {
      run_pending();
      Context *context = (Context *)(intptr_t)a;
      Stream *stream = (Stream *)(intptr_t)b;
      if (stream && take(streams, stream, "a stream")) delete stream;
      for (Module *module : modules) {
        if (module->owner != context) continue;
        for (Function &function : module->functions) functions.erase(&function);
      }
      destroy_owned(modules, context);
      destroy_owned(events, context);
      destroy_owned(graphs, context);
      destroy_owned(graph_execs, context);
      destroy_owned(streams, context);
      release_owned(context);
      if (take(contexts, context, "a context")) delete context;
      return 0;
    }
    default: return -1;
  }
}

/* --- Start, device */

void uuid_of(int device, unsigned char *bytes) {
  for (int i = 0; i < 16; i++) bytes[i] = (unsigned char)(0xa0 + device + 31 * i);
}

/* As nvidia-smi prints it. */
std::string uuid_text(int device) {
  unsigned char bytes[16];
  uuid_of(device, bytes);
  std::string text = "GPU-";
  for (int i = 0; i < 16; i++) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", bytes[i]);
    text += std::string(i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "") + two;
  }
  return text;
}

/*
 * The devices that CUDA_VISIBLE_DEVICES leaves, by number or by the beginning of a UUID, up to the
 * first that is none.
 */
std::vector<int> visible_devices() {
  std::vector<int> visible;
  const char *chosen = std::getenv("CUDA_VISIBLE_DEVICES");
  if (!chosen) {
    for (int i = 0; i < device_count(); i++) visible.push_back(i);
    return visible;
  }
  const std::string text = chosen;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string name = text.substr(at, end - at);
    int device = -1, matches = 0;
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos) {
      device = std::atoi(name.c_str());
      matches = device < device_count();
    } else if (name.size() > 4 && name.rfind("GPU-", 0) == 0) {
      for (int i = 0; i < device_count(); i++) {
        if (uuid_text(i).rfind(name, 0) == 0) {
          device = i;
          matches++;
        }
      }
    }
    if (matches != 1) break;
    visible.push_back(device);
    at = end + 1;
  }
  return visible;
}

CUDASIM_API CUresult cuInit(unsigned) {
  ADMIT();
  if (run_is_unknown()) {
    std::fprintf(stderr, "cudasim: CUDASIM_RUN is '%s', must be source or ptx\n",
                 std::getenv("CUDASIM_RUN"));
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (visible_devices().empty()) return CUDA_ERROR_NO_DEVICE;
  initialized = true;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDriverGetVersion(int *version) {
  ADMIT();
  *version = driver_version();
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDeviceGetCount(int *count) {
  ADMIT();
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  *count = (int)visible_devices().size();
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  ADMIT();
  if (!initialized) return CUDA_ERROR_NOT_INITIALIZED;
  const std::vector<int> visible = visible_devices();
  if (ordinal < 0 || ordinal >= (int)visible.size()) return CUDA_ERROR_INVALID_DEVICE;
  *device = visible[(size_t)ordinal];
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDeviceGetUuid(unsigned char *bytes, CUdevice device) {
  ADMIT();
  uuid_of(device, bytes);
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDeviceGetName(char *name, int length, CUdevice) {
  ADMIT();
  std::snprintf(name, (size_t)length, "Simulated device (no GPU)");
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  ADMIT();
  *bytes = (size_t)memory_limit();
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
  ADMIT();
  switch (attribute) {
    case 75: *value = compute_capability() / 10; return CUDA_SUCCESS; /* major */
    case 76: *value = compute_capability() % 10; return CUDA_SUCCESS; /* minor */
    case ATTRIBUTE_SIMULATOR_VERSION: *value = SIMULATOR_VERSION; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

/* --- Contexts */

CUDASIM_API CUresult cuDevicePrimaryCtxRetain(Context **context, CUdevice device) {
  ADMIT();
  if (device < 0 || device >= MAX_DEVICES) return CUDA_ERROR_INVALID_DEVICE;
  primary[device].device = device;
  primary[device].uses++;
  *context = &primary[device];
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  LOCK();
  const CUresult failure = admit_release();
  if (device < 0 || device >= MAX_DEVICES || primary[device].uses == 0) {
    violation("the primary context was released too often");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  run_pending();
  primary[device].uses--;
  return failure;
}

/* For tests; the library does not use it. */
CUDASIM_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *is_active) {
  ADMIT();
  if (device < 0 || device >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
  *flags = 0;
  *is_active = primary[device].uses > 0;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuCtxPushCurrent_v2(Context *context) {
  ADMIT();
  if (!is_context(context)) return CUDA_ERROR_INVALID_CONTEXT;
  stack.push_back(context);
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuCtxPopCurrent_v2(Context **context) {
  LOCK();
  const CUresult failure = admit_release();
  if (stack.empty()) {
    violation("a context was popped that was not pushed");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (context) *context = stack.back();
  stack.pop_back();
  return failure;
}

/* For tests; the library does not use it. */
CUDASIM_API CUresult cuCtxGetCurrent(Context **context) {
  LOCK();
  *context = current();
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuCtxGetDevice(CUdevice *device) {
  ADMIT_IN_CONTEXT();
  *device = current()->device;
  return CUDA_SUCCESS;
}

/* --- Streams */

CUDASIM_API CUresult cuStreamCreate(Stream **stream, unsigned flags) {
  ADMIT_IN_CONTEXT();
  *stream = *streams.insert(new_stream(current())).first;
  (*stream)->is_apart = flags & 1;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuStreamDestroy_v2(Stream *stream) {
  LOCK();
  const CUresult failure = admit_release();
  run_pending();
  if (!take(streams, stream, "a stream")) return CUDA_ERROR_INVALID_HANDLE;
  delete stream;
  return failure;
}

CUDASIM_API CUresult cuStreamSynchronize(Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (!is_stream(stream)) return CUDA_ERROR_INVALID_HANDLE;
  TRY(outside_capture(stream));
  TRY(unsafe_call());
  if (stream && stream->is_apart) {
    count_wait(); /* what it was given is done already */
  } else {
    wait();
  }
  return lost_code();
}

CUDASIM_API CUresult cuStreamIsCapturing(Stream *stream, int *status) {
  ADMIT_IN_CONTEXT();
  if (!is_stream(stream)) return CUDA_ERROR_INVALID_HANDLE;
  *status = !stream ? 0 : stream->is_invalid ? 2 : stream->captures || stream->graph;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuStreamBeginCapture_v2(Stream *stream, int mode) {
  ADMIT_IN_CONTEXT();
  if (!is_stream(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!stream) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED; /* the default stream */
  if (stream->graph) return CUDA_ERROR_INVALID_VALUE;
  if (mode < CAPTURE_MODE_GLOBAL || mode > CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  stream->graph = std::make_unique<Graph>();
  stream->graph->owner = current();
  stream->is_invalid = false;
  stream->mode = mode;
  stream->capturer = std::this_thread::get_id();
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuStreamEndCapture(Stream *stream, Graph **graph) {
  ADMIT_IN_CONTEXT();
  if (!is_stream(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!stream || !stream->graph) return CUDA_ERROR_INVALID_VALUE;
  const bool is_own = stream->capturer == std::this_thread::get_id();
  if (!is_own && stream->mode != CAPTURE_MODE_RELAXED) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  const std::unique_ptr<Graph> captured = std::move(stream->graph);
  *graph = nullptr;
  if (stream->is_invalid) {
    stream->is_invalid = false;
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  *graph = *graphs.insert(new Graph(*captured)).first;
  return CUDA_SUCCESS;
}

/* The calling thread's mode, replaced. */
CUDASIM_API CUresult cuThreadExchangeStreamCaptureMode(int *mode) {
  ADMIT();
  std::swap(capture_mode, *mode);
  return CUDA_SUCCESS;
}

/* --- Graphs */

CUDASIM_API CUresult cuGraphInstantiateWithFlags(
    GraphExec **exec, Graph *graph, unsigned long long flags) {
  ADMIT_IN_CONTEXT();
  if (graphs.count(graph) == 0) return CUDA_ERROR_INVALID_HANDLE;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  *exec = *graph_execs.insert(new GraphExec{current(), graph->operations}).first;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuGraphLaunch(GraphExec *exec, Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (graph_execs.count(exec) == 0 || !is_in_order(stream)) return CUDA_ERROR_INVALID_HANDLE;
  TRY(takes_work(stream));
  for (const Operation &operation : exec->operations) {
    later(stream, operation.run, operation.is_launch);
  }
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuGraphDestroy(Graph *graph) {
  LOCK();
  const CUresult failure = admit_release();
  if (!take(graphs, graph, "a graph")) return CUDA_ERROR_INVALID_HANDLE;
  delete graph;
  return failure;
}

/* What was launched is done all the same. */
CUDASIM_API CUresult cuGraphExecDestroy(GraphExec *exec) {
  LOCK();
  const CUresult failure = admit_release();
  if (!take(graph_execs, exec, "an executable graph")) return CUDA_ERROR_INVALID_HANDLE;
  delete exec;
  return failure;
}

/* --- Events */

CUDASIM_API CUresult cuEventCreate(Event **event, unsigned flags) {
  ADMIT_IN_CONTEXT();
  *event = *events.insert(new Event()).first;
  (*event)->owner = current();
  (*event)->times = (flags & 2) == 0; /* CU_EVENT_DISABLE_TIMING */
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuEventDestroy_v2(Event *event) {
  LOCK();
  const CUresult failure = admit_release();
  run_pending();
  if (!take(events, event, "an event")) return CUDA_ERROR_INVALID_HANDLE;
  delete event;
  return failure;
}

CUDASIM_API CUresult cuEventRecord(Event *event, Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (events.count(event) == 0 || !is_in_order(stream)) return CUDA_ERROR_INVALID_HANDLE;
  TRY(takes_work(stream));
  event->is_captured = stream && stream->graph;
  if (event->is_captured) return CUDA_SUCCESS; /* work of one stream needs no event in its graph */
  const long long record = ++event->recorded;
  later(stream, [event, record] {
    event->reached = record;
    event->when = std::chrono::steady_clock::now();
  });
  return CUDA_SUCCESS;
}

/* Work of all streams is done in one order, so there is nothing to do, but it is counted. */
CUDASIM_API CUresult cuStreamWaitEvent(Stream *stream, Event *event, unsigned flags) {
  ADMIT_IN_CONTEXT();
  if (!is_in_order(stream) || events.count(event) == 0) return CUDA_ERROR_INVALID_HANDLE;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (stream) stream->waits++;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuEventSynchronize(Event *event) {
  ADMIT_IN_CONTEXT();
  if (events.count(event) == 0) return CUDA_ERROR_INVALID_HANDLE;
  if (event->is_captured) return CUDA_ERROR_CAPTURED_EVENT;
  TRY(unsafe_call());
  /* Not for what came after it. On a device that is lost meanwhile it never happens. */
  count_wait();
  while (!event->happened() && !pending.empty()) run_next();
  check_guards();
  return lost_code();
}

/* Begins nothing: what was not waited for has not happened. */
CUDASIM_API CUresult cuEventQuery(Event *event) {
  ADMIT_IN_CONTEXT();
  if (events.count(event) == 0) return CUDA_ERROR_INVALID_HANDLE;
  if (event->is_captured) return CUDA_ERROR_CAPTURED_EVENT;
  TRY(unsafe_call());
  return event->happened() ? lost_code() : CUDA_ERROR_NOT_READY;
}

CUDASIM_API CUresult cuEventElapsedTime(float *millis, Event *begin, Event *end) {
  ADMIT_IN_CONTEXT();
  for (Event *event : {begin, end}) {
    if (events.count(event) == 0 || !event->times || event->recorded == 0) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!event->happened()) return CUDA_ERROR_NOT_READY;
  }
  *millis = std::chrono::duration<float, std::milli>(end->when - begin->when).count();
  return CUDA_SUCCESS;
}

/* --- Modules */

CUDASIM_API CUresult cuModuleLoadDataEx(
    Module **module, const void *image, unsigned count, int *options, void **values) {
  ADMIT_IN_CONTEXT();
  LogOptions log_options;
  if (!log_options.read(count, options, values)) return CUDA_ERROR_INVALID_VALUE;
  Module *loaded = new Module();
  std::string log;
  const CUresult result = load((const char *)image, loaded, &log);
  log_options.write(log);
  if (result != CUDA_SUCCESS) {
    delete loaded;
    return result;
  }
  for (Function &function : loaded->functions) functions.insert(&function);
  loaded->owner = current();
  modules.insert(loaded);
  *module = loaded;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuModuleLoadData(Module **module, const void *image) {
  return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}

CUDASIM_API CUresult cuModuleUnload(Module *module) {
  LOCK();
  const CUresult failure = admit_release();
  run_pending();
  if (!take(modules, module, "a module")) return CUDA_ERROR_INVALID_HANDLE;
  for (Function &function : module->functions) functions.erase(&function);
  delete module;
  return failure;
}

CUDASIM_API CUresult cuModuleGetFunction(Function **function, Module *module, const char *name) {
  ADMIT_IN_CONTEXT();
  if (modules.count(module) == 0) return CUDA_ERROR_INVALID_HANDLE;
  for (Function &candidate : module->functions) {
    if (name == candidate.name) {
      *function = &candidate;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_NOT_FOUND;
}

namespace {
CUresult launch_ptx(
    const Function &function, const ptx::Size3 &grid, const ptx::Size3 &block, unsigned shared,
    Stream *stream, void **arguments) {
  const ptx::Program &program = *function.program;
  const std::string refused = ptx::refusal(program, grid, block, shared);
  if (!refused.empty()) {
    std::fprintf(stderr, "cudasim: %s: %s\n", function.name.c_str(), refused.c_str());
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<uint8_t> parameters(program.entry->parameter_bytes);
  for (size_t i = 0; i < program.entry->parameters.size(); i++) {
    const ptx::Symbol &parameter = *program.entry->parameters[i];
    if (!arguments || !arguments[i]) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(parameters.data() + parameter.address, arguments[i], parameter.bytes);
  }
  const std::shared_ptr<const ptx::Loaded> loaded = function.loaded;
  later(
      stream,
      [loaded, &program, grid, block, shared, parameters] {
        ptx::Launch launch; /* its own each time that a graph is launched */
        launch.program = &program;
        launch.grid = grid;
        launch.block = block;
        launch.dynamic_shared = shared;
        launch.parameters = parameters;
        run_ptx(*loaded, launch);
      },
      true);
  return CUDA_SUCCESS;
}
}  // namespace

CUDASIM_API CUresult cuLaunchKernel(
    Function *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared, Stream *stream, void **arguments,
    void **) {
  ADMIT_IN_CONTEXT();
  if (functions.count(function) == 0 || !is_in_order(stream)) return CUDA_ERROR_INVALID_HANDLE;
  TRY(takes_work(stream));
  if (function->program) {
    return launch_ptx(
        *function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, stream, arguments);
  }
  if (grid_x == 0 || grid_x > 0x7fffffffu || grid_y != 1 || grid_z != 1 || block_x != 256 ||
      block_y != 1 || block_z != 1 || !arguments || !arguments[0]) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  /* Arguments are copied at the call, as a driver does. */
  const Kernel *kernel = function->kernel;
  const char *bytes = (const char *)arguments[0];
  std::vector<char> copy(bytes, bytes + kernel->argument_bytes);
  later(stream, [kernel, copy, grid_x] { kernel->run(copy.data(), grid_x); }, true);
  return CUDA_SUCCESS;
}

/* --- Memory */

CUDASIM_API CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  ADMIT_IN_CONTEXT();
  check_capture();
  TRY(unsafe_call());
  return allocate_device(address, bytes, current());
}

CUDASIM_API CUresult cuMemGetAddressRange_v2(
    CUdeviceptr *start, size_t *bytes, CUdeviceptr address) {
  ADMIT_IN_CONTEXT();
  bool is_plain;
  return find_range(address, start, bytes, &is_plain) ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUDASIM_API CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr address) {
  ADMIT_IN_CONTEXT();
  CUdeviceptr start;
  size_t bytes;
  bool is_plain;
  if (attribute != 10 /* IS_LEGACY_CUDA_IPC_CAPABLE */) return CUDA_ERROR_INVALID_VALUE;
  if (!find_range(address, &start, &bytes, &is_plain)) return CUDA_ERROR_INVALID_VALUE;
  *(unsigned *)value = is_plain;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuMemFree_v2(CUdeviceptr address) {
  LOCK();
  const CUresult failure = admit_release();
  check_capture();
  TRY(unsafe_call());
  run_pending();
  const CUresult result = release_device(address);
  return failure != CUDA_SUCCESS ? failure : result;
}

CUDASIM_API CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  ADMIT_IN_CONTEXT();
  check_capture();
  TRY(unsafe_call());
  return allocate_host(address, bytes, current());
}

CUDASIM_API CUresult cuMemHostGetDevicePointer_v2(
    CUdeviceptr *device_address, void *address, unsigned flags) {
  ADMIT_IN_CONTEXT();
  if (flags != 0 || !is_pinned_range(address, 1)) return CUDA_ERROR_INVALID_VALUE;
  *device_address = (CUdeviceptr)(uintptr_t)address;
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuMemFreeHost(void *address) {
  LOCK();
  const CUresult failure = admit_release();
  check_capture();
  TRY(unsafe_call());
  run_pending();
  const CUresult result = release_host(address);
  return failure != CUDA_SUCCESS ? failure : result;
}

CUDASIM_API CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  ADMIT_IN_CONTEXT();
  *total = (size_t)memory_limit();
  *free_bytes = (size_t)(memory_limit() - live_bytes());
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuMemcpyHtoDAsync_v2(
    CUdeviceptr to, const void *from, size_t bytes, Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (!is_in_order(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!is_device_range(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  TRY(takes_work(stream));
  if (is_pinned_range(from, bytes)) {
    later(stream, [=] {
      std::memcpy((void *)(uintptr_t)to, from, bytes);
      written(to, bytes);
    });
  } else {
    TRY(outside_capture(stream));
    std::vector<char> copy((const char *)from, (const char *)from + bytes);
    later(stream, [to, copy] {
      std::memcpy((void *)(uintptr_t)to, copy.data(), copy.size());
      written(to, copy.size());
    });
  }
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuMemcpyDtoHAsync_v2(
    void *to, CUdeviceptr from, size_t bytes, Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (!is_stream(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!is_device_range(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  /* Before all that is pending: whoever asks must know that none of it writes there. */
  if (stream && stream->is_apart && !stream->graph) {
    std::memcpy(to, (const void *)(uintptr_t)from, bytes);
    if (!is_pinned_range(to, bytes)) count_wait();
    return lost_code();
  }
  TRY(takes_work(stream));
  if (!is_pinned_range(to, bytes)) TRY(outside_capture(stream));
  later(stream, [=] { std::memcpy(to, (const void *)(uintptr_t)from, bytes); });
  /* To other memory than pinned the call returns when the copy is done. */
  if (is_pinned_range(to, bytes)) return CUDA_SUCCESS;
  wait();
  return lost_code();
}

CUDASIM_API CUresult cuMemcpyDtoDAsync_v2(
    CUdeviceptr to, CUdeviceptr from, size_t bytes, Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (!is_in_order(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!is_device_range(to, bytes) || !is_device_range(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  TRY(takes_work(stream));
  later(stream, [=] {
    std::memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
    copied(to, from, bytes);
  });
  return CUDA_SUCCESS;
}

CUDASIM_API CUresult cuMemsetD8Async(
    CUdeviceptr address, unsigned char value, size_t count, Stream *stream) {
  ADMIT_IN_CONTEXT();
  if (!is_in_order(stream)) return CUDA_ERROR_INVALID_HANDLE;
  if (!is_device_range(address, count)) return CUDA_ERROR_INVALID_VALUE;
  TRY(takes_work(stream));
  later(stream, [=] {
    std::memset((void *)(uintptr_t)address, value, count);
    written(address, count);
  });
  return CUDA_SUCCESS;
}

/* --- Names of codes: never made to fail */

CUDASIM_API CUresult cuGetErrorName(CUresult code, const char **name) {
  switch (code) {
    case CUDA_SUCCESS: *name = "CUDA_SUCCESS"; break;
    case CUDA_ERROR_INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case CUDA_ERROR_OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case CUDA_ERROR_NOT_INITIALIZED: *name = "CUDA_ERROR_NOT_INITIALIZED"; break;
    case CUDA_ERROR_NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case CUDA_ERROR_INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case CUDA_ERROR_INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case CUDA_ERROR_NO_BINARY_FOR_GPU: *name = "CUDA_ERROR_NO_BINARY_FOR_GPU"; break;
    case CUDA_ERROR_INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case CUDA_ERROR_INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case CUDA_ERROR_NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case CUDA_ERROR_NOT_READY: *name = "CUDA_ERROR_NOT_READY"; break;
    case CUDA_ERROR_ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
    case CUDA_ERROR_LAUNCH_TIMEOUT: *name = "CUDA_ERROR_LAUNCH_TIMEOUT"; break;
    case CUDA_ERROR_MISALIGNED_ADDRESS: *name = "CUDA_ERROR_MISALIGNED_ADDRESS"; break;
    case CUDA_ERROR_LAUNCH_FAILED: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    case CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED:
      *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
      break;
    case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
      *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED";
      break;
    case CUDA_ERROR_CAPTURED_EVENT: *name = "CUDA_ERROR_CAPTURED_EVENT"; break;
    case CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD:
      *name = "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD";
      break;
    default: *name = "unknown"; return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}
