/* The interpreter as the driver sees it. */
#ifndef PTX_PTX_H
#define PTX_PTX_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "warp.h"

namespace ptx {

/* A module with its variables in memory and its entries decoded. */
class Loaded {
 public:
  /* Throws Error. */
  explicit Loaded(const std::string &text);
  Loaded(const Loaded &) = delete;
  void operator=(const Loaded &) = delete;

  const std::vector<std::unique_ptr<Program>> &programs() const { return programs_; }
  /* Memory of the variables, for launches. */
  const std::vector<Region> &regions() const { return regions_; }

 private:
  void place_variables();

  std::unique_ptr<Module> module_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::vector<std::vector<uint8_t>> memory_, defined_;
  std::vector<std::vector<Access>> accesses_;
  std::vector<Region> regions_;
};

/*
 * Why a launch cannot be, or nothing. Of blocks there may be 2^31 - 1, 65535 and 65535, of threads
 * 1024, 1024 and 64, and 1024 altogether.
 */
std::string refusal(const Program &program, const Size3 &grid, const Size3 &block,
                    uint64_t dynamic_shared);

/* Runs all blocks, on several host threads. Launches must not overlap. True: no fatal fault. */
bool run(Launch &launch);

}  // namespace ptx

#endif
