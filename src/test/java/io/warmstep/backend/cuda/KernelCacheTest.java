package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whether the driver can keep the kernels that it has translated. */
class KernelCacheTest {
  @TempDir private Path folder;

  @Test
  void aHomeThatCanBeWrittenIsEnough() {
    assertEquals("", KernelCache.of(Map.of(), folder.toString()));
  }

  @Test
  void aFolderThatIsNamedIsWhatCounts() {
    assertEquals("", KernelCache.of(Map.of("CUDA_CACHE_PATH", folder + "/new/cache"), "/dev/null"));
  }

  @Test
  void aFileInTheWayIsExplained() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    String note = KernelCache.of(Map.of("CUDA_CACHE_PATH", file + "/cache"), folder.toString());
    assertTrue(note.contains("cannot keep the kernels"), note);
    assertTrue(note.contains(file + "/cache"), note);
    assertTrue(note.contains("set CUDA_CACHE_PATH to a folder that can be written"), note);
    String inHome = KernelCache.of(Map.of(), file.toString());
    assertTrue(inHome.contains(file + "/.nv/ComputeCache"), inHome);
  }

  @Test
  void aCacheThatIsSwitchedOffIsNoted() {
    String note = KernelCache.of(Map.of("CUDA_CACHE_DISABLE", "1"), folder.toString());
    assertTrue(note.startsWith("CUDA_CACHE_DISABLE is 1"), note);
    assertEquals("", KernelCache.of(Map.of("CUDA_CACHE_DISABLE", "0"), folder.toString()));
  }

  @Test
  void aPathThatIsNoneIsExplained() {
    String note = KernelCache.of(Map.of("CUDA_CACHE_PATH", "a\0b"), folder.toString());
    assertTrue(note.contains("must be the path of a folder"), note);
  }
}
