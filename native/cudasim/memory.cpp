/*
 * Device memory and pinned memory: host memory between guard zones, which are checked when it is
 * freed and when the device is waited for. Under AddressSanitizer the zones are poisoned as well,
 * so that the access itself is reported.
 */
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <vector>

#include "interpreter.h"
#include "simulator.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace {
const size_t ZONE = 512; /* device memory is aligned to this */
const unsigned char GUARD = 0xa5;
const unsigned char GARBAGE = 0xcd; /* what fresh memory holds: never zeros */

struct Allocation {
  unsigned char *base;
  size_t bytes;
  size_t whole;
  const void *owner;
  long long kind;
  Shadow shadow; /* only where PTX is interpreted, and of device memory */
};

std::map<CUdeviceptr, Allocation> device_memory;
std::map<CUdeviceptr, Allocation> host_memory;
long long device_bytes = 0;
long long limit = 8ll << 30;

size_t rounded(size_t bytes) { return (bytes + ZONE - 1) / ZONE * ZONE; }

void poison(const Allocation &a) {
  ASAN_POISON_MEMORY_REGION(a.base, ZONE);
  ASAN_POISON_MEMORY_REGION(a.base + ZONE + a.bytes, a.whole - ZONE - a.bytes);
}

void unpoison(const Allocation &a) { ASAN_UNPOISON_MEMORY_REGION(a.base, a.whole); }

bool allocate(
    std::map<CUdeviceptr, Allocation> &where, size_t bytes, CUdeviceptr *address,
    const void *owner, long long kind) {
  Allocation a;
  a.bytes = bytes;
  a.owner = owner;
  a.kind = kind;
  a.whole = 2 * ZONE + rounded(bytes);
  a.base = (unsigned char *)std::aligned_alloc(ZONE, a.whole);
  if (!a.base) return false;
  std::memset(a.base, GUARD, ZONE);
  std::memset(a.base + ZONE, GARBAGE, bytes);
  std::memset(a.base + ZONE + bytes, GUARD, a.whole - ZONE - bytes);
  poison(a);
  *address = (CUdeviceptr)(uintptr_t)(a.base + ZONE);
  if (&where == &device_memory && interprets_ptx()) a.shadow = new_shadow(bytes);
  where[*address] = a;
  return true;
}

/* A zone of each end: the one behind is shorter than two. By whole zones, as all are checked at every
 * wait. */
bool is_intact(const Allocation &a) {
  static const std::vector<unsigned char> zones(2 * ZONE, GUARD);
  unpoison(a);
  const size_t end = ZONE + a.bytes;
  const bool intact = std::memcmp(a.base, zones.data(), ZONE) == 0 &&
      std::memcmp(a.base + end, zones.data(), a.whole - end) == 0;
  poison(a);
  return intact;
}

void check(const Allocation &a) {
  if (!is_intact(a)) {
    violation("bytes outside an allocation of " + std::to_string(a.bytes) + " were written");
    unpoison(a);
    std::memset(a.base, GUARD, ZONE); /* reported once */
    std::memset(a.base + ZONE + a.bytes, GUARD, a.whole - ZONE - a.bytes);
    poison(a);
  }
}

/* What the host still reads after it was freed is not what it was; a compiler may leave out an ordinary
 * write before free. */
void spoil(const Allocation &a) {
  volatile unsigned char *bytes = a.base + ZONE;
  std::fill(bytes, bytes + a.bytes, (unsigned char)GARBAGE);
}

bool release(std::map<CUdeviceptr, Allocation> &where, CUdeviceptr address, size_t *bytes) {
  auto found = where.find(address);
  if (found == where.end()) {
    violation("memory that is not allocated was freed");
    return false;
  }
  check(found->second);
  *bytes = found->second.bytes;
  unpoison(found->second);
  delete_shadow(found->second.shadow);
  if (&where == &host_memory) spoil(found->second);
  std::free(found->second.base);
  where.erase(found);
  return true;
}

bool contains(const std::map<CUdeviceptr, Allocation> &where, CUdeviceptr address, size_t bytes) {
  auto next = where.upper_bound(address);
  if (next == where.begin()) return false;
  --next;
  const CUdeviceptr start = next->first, end = start + next->second.bytes;
  return address >= start && address <= end && bytes <= end - address;
}
}  // namespace

CUresult allocate_device(
    CUdeviceptr *address, size_t bytes, const void *owner, long long kind) {
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if ((long long)bytes > limit - device_bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  if (!allocate(device_memory, bytes, address, owner, kind)) return CUDA_ERROR_OUT_OF_MEMORY;
  device_bytes += (long long)bytes;
  return CUDA_SUCCESS;
}

CUresult allocate_host(void **address, size_t bytes, const void *owner) {
  CUdeviceptr where;
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (!allocate(host_memory, bytes, &where, owner, MEMORY_PLAIN)) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = (void *)(uintptr_t)where;
  return CUDA_SUCCESS;
}

CUresult release_device(CUdeviceptr address) {
  size_t bytes;
  if (!release(device_memory, address, &bytes)) return CUDA_ERROR_INVALID_VALUE;
  device_bytes -= (long long)bytes;
  return CUDA_SUCCESS;
}

CUresult release_host(void *address) {
  size_t bytes;
  return release(host_memory, (CUdeviceptr)(uintptr_t)address, &bytes) ? CUDA_SUCCESS
                                                                       : CUDA_ERROR_INVALID_VALUE;
}

void release_owned(const void *owner) {
  for (auto *where : {&device_memory, &host_memory}) {
    std::vector<CUdeviceptr> owned;
    for (auto &entry : *where) {
      if (entry.second.owner == owner) owned.push_back(entry.first);
    }
    for (CUdeviceptr address : owned) {
      if (where == &device_memory) {
        release_device(address);
      } else {
        release_host((void *)(uintptr_t)address);
      }
    }
  }
}

bool find_range(CUdeviceptr address, CUdeviceptr *start, size_t *bytes, bool *is_plain) {
  auto next = device_memory.upper_bound(address);
  if (next == device_memory.begin()) return false;
  --next;
  const Allocation &a = next->second;
  const size_t offset = (size_t)(address - next->first);
  if (offset >= a.bytes || a.kind == MEMORY_UNKNOWN) return false;
  const size_t piece = a.kind == MEMORY_PLAIN ? a.bytes : (size_t)(a.kind % MEMORY_NEIGHBOURS);
  const size_t first = offset / piece * piece;
  *start = next->first + first;
  *bytes = piece < a.bytes - first ? piece : a.bytes - first;
  *is_plain = a.kind == MEMORY_PLAIN || a.kind >= MEMORY_NEIGHBOURS;
  return true;
}

bool is_device_range(CUdeviceptr address, size_t bytes) {
  return contains(device_memory, address, bytes);
}

bool is_pinned_range(const void *address, size_t bytes) {
  return contains(host_memory, (CUdeviceptr)(uintptr_t)address, bytes);
}

void written(CUdeviceptr address, size_t bytes) {
  auto next = device_memory.upper_bound(address);
  if (next == device_memory.begin()) return;
  --next;
  unsigned char *defined = next->second.shadow.defined;
  if (defined) std::memset(defined + (address - next->first), 1, bytes);
}

void copied(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  const auto target = std::prev(device_memory.upper_bound(to));
  const auto source = std::prev(device_memory.upper_bound(from));
  unsigned char *defined = target->second.shadow.defined;
  if (!defined) return;
  std::memmove(defined + (to - target->first),
               source->second.shadow.defined + (from - source->first), bytes);
}

std::vector<ptx::Region> regions_of_memory() {
  std::vector<ptx::Region> regions;
  for (auto *where : {&device_memory, &host_memory}) {
    for (auto &entry : *where) {
      ptx::Region region;
      region.begin = entry.first;
      region.end = entry.first + entry.second.bytes;
      region.data = entry.second.base + ZONE;
      region.defined = entry.second.shadow.defined;
      region.writers = entry.second.shadow.writers;
      region.readers = entry.second.shadow.readers;
      regions.push_back(region);
    }
  }
  return regions;
}

void check_guards() {
  for (auto &entry : device_memory) check(entry.second);
  for (auto &entry : host_memory) check(entry.second);
}

long long live_allocations() { return (long long)(device_memory.size() + host_memory.size()); }
long long live_bytes() { return device_bytes; }
long long memory_limit() { return limit; }
void set_memory_limit(long long bytes) { limit = bytes; }
