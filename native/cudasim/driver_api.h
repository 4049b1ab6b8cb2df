/*
 * The part of the CUDA driver API that Warmstep uses, as the simulator implements it: the types and
 * codes of NVIDIA's documentation, and no more of them than that.
 */
#ifndef CUDASIM_DRIVER_API_H
#define CUDASIM_DRIVER_API_H

#include <cstddef>
#include <cstdint>

#define CUDASIM_API extern "C" __attribute__((visibility("default")))

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
struct Context;
struct Stream;
struct Event;
struct Module;
struct Function;
struct Graph;
struct GraphExec;

enum CUresult : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_TIMEOUT = 702,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_CAPTURED_EVENT = 907,
  CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD = 908,
};

/*
 * How memory was made. A kind above MEMORY_PLAIN is memory of pieces, each of so many bytes, that lie
 * one after the other: chunks mapped into a reservation, or with MEMORY_NEIGHBOURS added separate
 * allocations. Where memory of MEMORY_UNKNOWN begins and ends, the driver does not say.
 */
enum : long long { MEMORY_UNKNOWN = -1, MEMORY_PLAIN = 0, MEMORY_NEIGHBOURS = 1ll << 32 };

/* An attribute beside CUDA's: counted up with each function that the library begins to use. */
enum { ATTRIBUTE_SIMULATOR_VERSION = 0x57534349, SIMULATOR_VERSION = 3 };

#endif
