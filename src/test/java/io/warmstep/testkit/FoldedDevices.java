package io.warmstep.testkit;

import io.warmstep.Device;
import io.warmstep.TestDevices;
import io.warmstep.backend.cpu.CpuTestDevices;
import io.warmstep.backend.opencl.OpenClTestDevices;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * Devices whose large memories take little: at the start, around the middle and at the end they are
 * what they seem, all other elements share a few places. What steps do there is right as long as
 * these elements all hold the same number, and a number that is written where it does not belong is
 * found in any of them.
 */
public enum FoldedDevices {
  CPU {
    @Override
    public Device open() {
      return TestDevices.of(CpuTestDevices.openFolded(2));
    }
  },
  OPENCL {
    @Override
    public Device open() {
      String preloaded = System.getenv("LD_PRELOAD");
      Assumptions.assumeTrue(
          preloaded != null && preloaded.contains("libfolded"),
          "PoCL's memory is not folded: see CONTRIBUTING.md");
      return TestDevices.of(OpenClTestDevices.openInOwnShape());
    }
  };

  /** Those of the backends of this run. */
  public static Stream<FoldedDevices> all() {
    String names = System.getProperty("warmstep.backends", "cpu");
    return Arrays.stream(names.split(",")).map(name -> valueOf(name.toUpperCase(Locale.ROOT)));
  }

  /** Opens one, with nothing on it. */
  public abstract Device open();
}
