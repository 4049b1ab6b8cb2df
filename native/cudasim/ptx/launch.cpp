/* Modules in memory, launches on host threads, and reports of faults. */
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <thread>

#include "block_limits.h"
#include "ptx.h"

namespace ptx {

namespace baseline {
Handler find_handler(const Key &key);
}
#ifdef PTX_HAS_AVX2
namespace avx2 {
Handler find_handler(const Key &key);
}
#endif

Handler handler_of(const Key &key) {
#ifdef PTX_HAS_AVX2
  static const bool wide = [] {
    const char *isa = std::getenv("CUDASIM_PTX_ISA");
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           !(isa && std::string(isa) == "baseline");
  }();
  if (wide) return avx2::find_handler(key);
#endif
  return baseline::find_handler(key);
}

Loaded::Loaded(const std::string &text) : module_(parse(text)) {
  place_variables();
  for (const auto &entry : module_->entries) programs_.push_back(decode(*entry));
}

/* Variables in .global and .const; those without initial values are zeros. */
void Loaded::place_variables() {
  for (const auto &symbol : module_->symbols) {
    if (symbol->space != Space::GLOBAL && symbol->space != Space::CONST) continue;
    const size_t grains = symbol->bytes / GRAIN + 1;
    memory_.emplace_back(symbol->bytes + symbol->alignment);
    accesses_.emplace_back(2 * grains);
    uint8_t *data = memory_.back().data();
    data += (symbol->alignment - (uintptr_t)data % symbol->alignment) % symbol->alignment;
    if (!symbol->initial.empty()) std::memcpy(data, symbol->initial.data(), symbol->bytes);
    symbol->address = (uint64_t)(uintptr_t)data;
    Region region;
    region.begin = symbol->address;
    region.end = region.begin + symbol->bytes;
    region.data = data;
    region.constant = symbol->space == Space::CONST;
    region.writers = accesses_.back().data();
    region.readers = accesses_.back().data() + grains;
    regions_.push_back(region);
  }
}

std::string refusal(const Program &program, const Size3 &grid, const Size3 &block,
                    uint64_t dynamic_shared) {
  if (grid.count() == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return "a grid of this size cannot be";
  }
  if (block.count() == 0 || block.x > MOST_THREADS || block.y > MOST_THREADS || block.z > 64 ||
      block.count() > MOST_THREADS) {
    return "a block of this size cannot be";
  }
  const unsigned *most = program.entry->most_threads, *exact = program.entry->exact_threads;
  if (most[0] && block.count() > (unsigned long long)most[0] * most[1] * most[2]) {
    return "the block is larger than the entry's .maxntid";
  }
  if (exact[0] && (block.x != exact[0] || block.y != exact[1] || block.z != exact[2])) {
    return "the block is not of the entry's .reqntid";
  }
  if (program.dynamic_shared_at + dynamic_shared > 48 << 10) {
    return "the entry needs more than 48 KiB of shared memory";
  }
  return "";
}

void Block::fault(const Warp &w, unsigned lane, Fault fault, const std::string &what) {
  const long long MOST_REPORTED = 1000;
  bool too_many;
  {
    const std::lock_guard<std::mutex> guard(launch->lock);
    const auto key = std::make_pair((int)fault, w.pc);
    const auto kept = launch->reported.emplace(key, launch->reports.size());
    if (kept.second) {
      std::string where = std::to_string(index.x);
      if (launch->grid.y > 1 || launch->grid.z > 1) where += "," + std::to_string(index.y);
      if (launch->grid.z > 1) where += "," + std::to_string(index.z);
      launch->reports.push_back(
          {fault, program->lines[w.pc],
           program->entry->name + " line " + std::to_string(program->lines[w.pc]) + ", " +
               program->names[w.pc] + ": thread " + std::to_string(w.thread(lane)) + " of block " +
               where + " " + what,
           0});
    }
    launch->reports[kept.first->second].times++;
    /* It goes on after these, but not for ever: all lanes of all blocks can do the same. */
    too_many = launch->reports[kept.first->second].times >= MOST_REPORTED;
  }
  if (is_fatal(fault) || too_many) {
    launch->stopped = true;
    throw Stop{fault};
  }
}

namespace {
uint32_t clocks[MOST_WORKERS]; /* launches do not overlap */

unsigned workers() {
  static const unsigned n = [] {
    const char *set = std::getenv("CUDASIM_PTX_THREADS");
    const unsigned most = set ? (unsigned)std::atoi(set) : std::thread::hardware_concurrency();
    return std::min(std::max(most, 1u), MOST_WORKERS);
  }();
  return n;
}

void forget_accesses(Launch &launch) {
  for (const Region &region : launch.regions) {
    const size_t bytes = ((region.end - region.begin) / GRAIN + 1) * sizeof(Access);
    if (region.writers) std::memset(region.writers, 0, bytes);
    if (region.readers) std::memset(region.readers, 0, bytes);
  }
  std::fill(clocks, clocks + MOST_WORKERS, 0u);
}

long long nanoseconds_of_thread() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* A host thread's part of a launch. */
struct Stopwatch {
  explicit Stopwatch(Launch &l) : launch(l) {}
  ~Stopwatch() { launch.nanoseconds += nanoseconds_of_thread() - begin; }
  Launch &launch;
  const long long begin = nanoseconds_of_thread();
};

void work(Launch &launch, unsigned worker, std::exception_ptr *error) {
  const Stopwatch stopwatch(launch);
  try {
    Block block(launch, worker, &clocks[worker]);
    const unsigned long long count = launch.grid.count();
    while (!launch.stopped) {
      const unsigned long long number = launch.next_block.fetch_add(1);
      if (number >= count) return;
      block.run(number);
    }
  } catch (const Stop &) {
    launch.stopped = true;
  } catch (...) {
    launch.stopped = true;
    *error = std::current_exception();
  }
}
}  // namespace

bool run(Launch &launch) {
  static const char *const steps = std::getenv("CUDASIM_PTX_STEPS");
  if (steps) launch.most_steps = std::strtoull(steps, nullptr, 10);
  if (*std::max_element(clocks, clocks + MOST_WORKERS) > MOST_TICKS / 2) forget_accesses(launch);
  const unsigned n = (unsigned)std::min<unsigned long long>(workers(), launch.grid.count());
  std::exception_ptr errors[MOST_WORKERS];
  std::vector<std::thread> others;
  for (unsigned i = 1; i < n; i++) others.emplace_back(work, std::ref(launch), i, &errors[i]);
  work(launch, 0, &errors[0]);
  for (std::thread &one : others) one.join();
  for (const std::exception_ptr &error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return !launch.stopped;
}

}  // namespace ptx
