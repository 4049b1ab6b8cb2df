package io.warmstep.backend.cuda;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Where the driver keeps the kernels that it has translated for the GPU, so that the next process
 * need not: CUDA C++ Programming Guide, "CUDA Environment Variables".
 */
final class KernelCache {
  private KernelCache() {}

  /**
   * What keeps it from being used, and what to do.
   *
   * @param environment of the process
   * @param home the user's folder
   * @return a sentence, empty if it can be used
   */
  static String of(Map<String, String> environment, String home) {
    if ("1".equals(environment.get("CUDA_CACHE_DISABLE"))) {
      return "CUDA_CACHE_DISABLE is 1: the driver translates the kernels anew in every process";
    }
    String chosen = environment.get("CUDA_CACHE_PATH");
    try {
      Path folder = chosen == null ? Path.of(home, ".nv", "ComputeCache") : Path.of(chosen);
      Path existing = folder.toAbsolutePath();
      while (existing != null && !Files.exists(existing)) {
        existing = existing.getParent();
      }
      return existing != null && Files.isDirectory(existing) && Files.isWritable(existing)
          ? ""
          : "the driver cannot keep the kernels that it has translated in "
              + folder
              + ", so it does that anew in every process: set CUDA_CACHE_PATH to a folder that can"
              + " be written and stays";
    } catch (InvalidPathException e) {
      return "CUDA_CACHE_PATH is '" + chosen + "', must be the path of a folder";
    }
  }
}
