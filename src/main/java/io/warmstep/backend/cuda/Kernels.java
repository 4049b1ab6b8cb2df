package io.warmstep.backend.cuda;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.warmstep.KernelBuildException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;

/**
 * The kernels of one context, loaded from the prebuilt PTX when first asked for. Each is a module
 * of its own, so that the driver compiles only what is used; it keeps the result on disk.
 */
final class Kernels {
  private final CudaContext context;
  private final Map<Module, CUmodule> modules = new HashMap<>();

  /** An entry, and what it is loaded with, or null. */
  private record Module(String entry, StoredConstants constants) {}

  Kernels(CudaContext context) {
    this.context = context;
  }

  /** The kernel of a name, such as {@code adam_float32}. */
  CUfunction get(String entry) {
    return get(entry, null);
  }

  /**
   * The same with constants in the place of what its launches have in common.
   *
   * @param constants of those that it is launched for, or null
   */
  synchronized CUfunction get(String entry, StoredConstants constants) {
    Module key = new Module(entry, constants);
    CUmodule module = modules.get(key);
    if (module == null) {
      String text = ptx(entry);
      module = context.load(entry, terminated(constants == null ? text : constants.in(text)));
      modules.put(key, module);
    }
    return context.function(module, entry);
  }

  /** Ended by a zero, as the driver wants it. */
  private static ByteBuffer terminated(String text) {
    byte[] bytes = text.getBytes(US_ASCII);
    return Cuda.direct(bytes.length + 1).put(bytes).rewind();
  }

  /** The text of an entry's module. */
  static String ptx(String entry) {
    String path = "/io/warmstep/kernels/ptx/" + entry + ".ptx";
    try (InputStream in = Kernels.class.getResourceAsStream(path)) {
      if (in == null) {
        throw new KernelBuildException(
            path + " is not in the jar: build it with bin/build-ptx", null);
      }
      return new String(in.readAllBytes(), US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + path, e);
    }
  }

  synchronized boolean isEmpty() {
    return modules.isEmpty();
  }

  synchronized void close() {
    modules.values().forEach(context::unload);
    modules.clear();
  }
}
