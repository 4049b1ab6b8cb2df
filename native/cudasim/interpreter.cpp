#include "interpreter.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include "simulator.h"

namespace {
/* Larger allocations have no records of accesses, which take eight times as much memory. */
const size_t MOST_WATCHED = 256u << 20;

struct Spent {
  long long launches = 0, instructions = 0, nanoseconds = 0;

  void add(const Spent &other) {
    launches += other.launches;
    instructions += other.instructions;
    nanoseconds += other.nanoseconds;
  }
};
/* By entry. Never destroyed: the report at the end of the process reads it. */
std::map<std::string, Spent> &spent = *new std::map<std::string, Spent>();
long long last = 0;

Spent all() {
  Spent sum;
  for (const auto &one : spent) sum.add(one.second);
  return sum;
}

void print(const std::string &name, const Spent &one) {
  std::fprintf(
      stderr, "cudasim: %-20s %8lld launches %14lld PTX instructions %9.3f s of processors, %5.0f M/s each\n",
      name.c_str(), one.launches, one.instructions, (double)one.nanoseconds / 1e9,
      one.nanoseconds == 0 ? 0.0 : 1e3 * (double)one.instructions / (double)one.nanoseconds);
}

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
    static bool said = false;
    if (!said) std::fprintf(stderr, "cudasim: %zu bytes are not watched for data races\n", bytes);
    said = true;
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
  launch.regions = regions_of_memory();
  launch.regions.insert(launch.regions.end(), module.regions().begin(), module.regions().end());
  std::sort(launch.regions.begin(), launch.regions.end(),
            [](const ptx::Region &a, const ptx::Region &b) { return a.begin < b.begin; });
  ptx::run(launch);
  spent[launch.program->entry->name].add(
      {1, (long long)launch.executed.load(), launch.nanoseconds.load()});
  for (const ptx::Report &report : launch.reports) {
    violation(report.text);
    last = 100000ll * (1 + (int)report.fault) + report.line;
    for (long long i = 1; i < report.times; i++) count_violation();
    if (ptx::is_fatal(report.fault)) lose(code_of(report.fault));
  }
}

std::string text_to_run(const std::string &text) {
  static const char *const folder = std::getenv("CUDASIM_PTX_DIR");
  const std::string word = ".entry ";
  const size_t entry = text.find(word);
  if (!folder || entry == std::string::npos) return text;
  const size_t name = entry + word.size();
  const std::string path =
      std::string(folder) + "/" + text.substr(name, text.find_first_of("( \t\n", name) - name);
  std::ifstream file(path + ".ptx");
  if (file) return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  std::ifstream change(path + ".line");
  size_t line = 0;
  std::string after;
  if (!(change >> line) || !std::getline(change, after)) return text;
  size_t begin = 0;
  for (size_t i = 1; i < line && begin != std::string::npos; i++) {
    begin = text.find('\n', begin);
    if (begin != std::string::npos) begin++;
  }
  if (line == 0 || begin == std::string::npos) {
    violation(path + ".line: the module has no line " + std::to_string(line));
    return text;
  }
  return text.substr(0, begin) + after + text.substr(std::min(text.find('\n', begin), text.size()));
}

long long ptx_instructions() { return all().instructions; }
long long last_fault() { return last; }
long long ptx_nanoseconds() { return all().nanoseconds; }

void report_ptx() {
  for (const auto &one : spent) print(one.first, one.second);
  if (!spent.empty()) print("all", all());
}
