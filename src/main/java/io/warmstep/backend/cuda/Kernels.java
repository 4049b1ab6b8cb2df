package io.warmstep.backend.cuda;

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
  private final Map<String, CUmodule> modules = new HashMap<>();

  Kernels(CudaContext context) {
    this.context = context;
  }

  /** The kernel of a name, such as {@code adam_float32}. */
  synchronized CUfunction get(String entry) {
    CUmodule module = modules.get(entry);
    if (module == null) {
      module = context.load(entry, ptx(entry));
      modules.put(entry, module);
    }
    return context.function(module, entry);
  }

  /** The text of a module, ended by a zero as the driver wants it. */
  private static ByteBuffer ptx(String module) {
    String path = "/io/warmstep/kernels/ptx/" + module + ".ptx";
    try (InputStream in = Kernels.class.getResourceAsStream(path)) {
      if (in == null) {
        throw new KernelBuildException(
            path + " is not in the jar: build it with bin/build-ptx", null);
      }
      byte[] text = in.readAllBytes();
      return Cuda.direct(text.length + 1).put(text).rewind();
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
