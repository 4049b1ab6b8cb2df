/* The state of the threads that run: a warp, its block, its launch. */
#ifndef PTX_WARP_H
#define PTX_WARP_H

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "program.h"
#include "shadow.h"

namespace ptx {

const unsigned MOST_THREADS = 1024;
const unsigned MOST_WARPS = MOST_THREADS / LANES;

/* Kinds of what a kernel did wrong; the first ones end its launch. */
enum class Fault : uint8_t {
  BOUNDS, MISALIGNED, READ_ONLY, TRAP, ENDLESS, UNSET, RACE, BARRIER
};
inline bool is_fatal(Fault fault) { return fault < Fault::UNSET; }

/* Ends the launch; what it was is in its reports. */
struct Stop {
  Fault fault;
};

struct Size3 {
  unsigned x = 1, y = 1, z = 1;
  unsigned long long count() const { return (unsigned long long)x * y * z; }
};

struct Report {
  Fault fault;
  int line;
  std::string text; /* of the first time */
  long long times;
};

struct Launch {
  const Program *program = nullptr;
  Size3 grid, block;
  std::vector<uint8_t> parameters;
  uint64_t dynamic_shared = 0;
  std::vector<Region> regions; /* by address */
  unsigned long long most_steps = 1ull << 26; /* of a warp in a block: beyond, a loop is endless */
  /* Results. */
  std::mutex lock;
  std::vector<Report> reports;
  std::map<std::pair<int, uint32_t>, size_t> reported; /* by fault and instruction */
  std::atomic<bool> stopped{false};
  std::atomic<unsigned long long> next_block{0};
  std::atomic<long long> nanoseconds{0}; /* of processors */
  std::atomic<unsigned long long> executed{0}; /* instructions, once for each thread */

  uint64_t shared_bytes() const {
    return dynamic_shared == 0 ? program->shared_bytes
                               : program->dynamic_shared_at + dynamic_shared;
  }
};

/* Threads of a warp that stand at another instruction than those that run. */
struct Waiting {
  uint32_t pc;
  uint32_t mask;
  bool parked; /* until the others come to the same instruction */
};

struct Block;

struct alignas(64) Warp {
  int32_t lanes[LANES];   /* -1 for those that run, else 0 */
  int64_t lanes64[LANES];
  uint32_t mask = 0; /* the same as bits */
  uint32_t live = 0; /* those that have not left the kernel */
  bool full = false; /* whether all that are live run: the others' lanes are nobody's */
  bool at_barrier = false;
  bool forced = false; /* goes on though not all threads came that must */
  unsigned active = 0; /* count of those that run */
  uint32_t pc = 0;
  uint32_t next_pc = ~0u; /* least pc of the waiting that are not parked */
  uint32_t time = 0;      /* of accesses: see shadow.h */
  uint32_t index = 0;
  uint8_t *rows = nullptr;
  uint32_t *defined = nullptr; /* by row: lanes that hold a value */
  uint32_t *predicates = nullptr;
  uint32_t *predicates_defined = nullptr;
  Block *block = nullptr;
  std::vector<Waiting> waiting;
  unsigned long long executed = 0;
  unsigned long long steps = 0;

  uint32_t thread(unsigned lane) const { return index * LANES + lane; }
};

/* What a host thread needs to run one block after the other. */
struct Block {
  /* worker: the host thread's number; clock: its time, which goes on from launch to launch. */
  Block(Launch &launch, unsigned worker, uint32_t *clock);
  void run(unsigned long long number);
  /* Reports a fault at the warp's instruction; throws Stop if that ends the launch. */
  void fault(const Warp &warp, unsigned lane, Fault fault, const std::string &what);

  Launch *launch;
  const Program *program;
  std::vector<Warp> warps;
  Size3 index;
  uint32_t since = 0; /* time of the last barrier */
  uint32_t now = 0;   /* latest time */
  Region shared, parameters;
  std::vector<uint8_t> local, local_defined; /* of all threads, one after the other */
  uint64_t local_bytes = 0;
  Region local_of_lane[LANES]; /* of the warp that runs, as far as it accessed it */
  std::vector<const Region *> latest; /* by access: where it last was */

 private:
  void set_constants(Warp &warp);
  void set_specials(Warp &warp);
  void begin(Warp &warp);
  bool run(Warp &warp); /* until it is at a barrier, or false: it has ended */
  void guarded(Warp &warp, const Instr &in);
  void branch(Warp &warp, const Instr &in);
  bool leave(Warp &warp, const Instr &in);
  bool barrier(Warp &warp);
  void together(Warp &warp, const Instr &in);
  uint32_t guard_of(Warp &warp, const Instr &in);
  void release();
  uint32_t tick();

  uint32_t base_;
  uint32_t *clock_;
  std::vector<uint8_t> files_, shared_bytes_, shared_defined_;
  std::vector<uint32_t> masks_;
  std::vector<Access> shared_writers_, shared_readers_;
};

}  // namespace ptx

#endif
