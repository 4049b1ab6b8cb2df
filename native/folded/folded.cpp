// Large allocations that take little memory, for tests with more elements than there is memory for.
//
// Loaded before the C library, this gives whatever asks posix_memalign for half a gigabyte or more
// (PoCL, for a buffer) pages of its own at the start, around the middle and at the end only; all
// other addresses lead to one and the same 64 MiB, again and again. What is computed there is right
// as long as all elements there hold the same number.
//
// The kernel counts a page of memory as often as it is mapped. Lest the process seem to take all of
// what it asked for, mappings are dropped several times a second; an access brings them back.

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

extern "C" void __libc_free(void *);

namespace {

constexpr size_t LARGE = size_t{1} << 29;
constexpr size_t PIECE = size_t{64} << 20;
constexpr size_t OWN = size_t{32} << 20;
constexpr int MOST = 256;

struct Folded {
  void *start;
  size_t bytes;
};

Folded folded[MOST];
std::atomic<int> count{0}; // without which free() takes no lock
std::mutex lock;

bool is_own(size_t from, size_t size) {
  size_t to = from + PIECE;
  size_t middle = size / 2;
  return from < OWN || (to > middle - OWN && from < middle + OWN) || to > size - OWN;
}

// Runs until the process ends.
void drop_mappings() {
  for (;;) {
    usleep(100000);
    std::lock_guard<std::mutex> guard(lock);
    for (Folded &place : folded) {
      if (place.start != nullptr) {
        madvise(place.start, place.bytes, MADV_DONTNEED); // what lies in the file stays there
      }
    }
  }
}

// Null if there is no room.
void *fold(size_t size) {
  static std::once_flag begun;
  std::call_once(begun, [] { std::thread(drop_mappings).detach(); });
  size_t bytes = (size + PIECE - 1) / PIECE * PIECE;
  int file = memfd_create("folded", 0);
  if (file < 0) {
    return nullptr;
  }
  size_t used = PIECE; // the first is what others share
  for (size_t at = 0; at < bytes; at += PIECE) {
    used += is_own(at, size) ? PIECE : 0;
  }
  void *start = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(used)) == 0) {
    start = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  size_t next = PIECE;
  for (size_t at = 0; at < bytes && start != MAP_FAILED; at += PIECE) {
    bool own = is_own(at, size);
    void *place = static_cast<char *>(start) + at;
    if (mmap(place, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
             static_cast<off_t>(own ? next : 0)) == MAP_FAILED) {
      munmap(start, bytes);
      start = MAP_FAILED;
    }
    next += own ? PIECE : 0;
  }
  close(file);
  if (start == MAP_FAILED) {
    return nullptr;
  }
  std::lock_guard<std::mutex> guard(lock);
  for (Folded &place : folded) {
    if (place.start == nullptr) {
      place = {start, bytes};
      count++;
      return start;
    }
  }
  munmap(start, bytes);
  return nullptr;
}

} // namespace

extern "C" int posix_memalign(void **to, size_t alignment, size_t size) {
  if (size >= LARGE) {
    void *start = fold(size);
    if (start == nullptr) {
      return ENOMEM;
    }
    *to = start;
    return 0;
  }
  using Next = int (*)(void **, size_t, size_t);
  static Next next = reinterpret_cast<Next>(dlsym(RTLD_NEXT, "posix_memalign"));
  return next(to, alignment, size);
}

extern "C" void free(void *start) {
  if (start != nullptr && count != 0) {
    std::lock_guard<std::mutex> guard(lock);
    for (Folded &place : folded) {
      if (place.start == start) {
        munmap(start, place.bytes);
        place = {nullptr, 0};
        count--;
        return;
      }
    }
  }
  __libc_free(start);
}
