package example;

import io.warmstep.Device;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.schedule.Schedules;
import java.util.Arrays;

/**
 * Takes some steps on the backend that is named, and prints the parameters; where it cannot be used,
 * prints why.
 */
public final class Main {
  private Main() {}

  /** Prints the result, or the reason. */
  public static void main(String[] arguments) {
    for (String backend : arguments) {
      System.out.println(backend + ": " + result(backend));
    }
  }

  /** The parameters after some steps, or why there are none. */
  public static String result(String backend) {
    for (DeviceReport report : Devices.report()) {
      if (report.backend().equals(backend) && !report.usable()) {
        return report.reason();
      }
    }
    try (Device device = Devices.require(backend);
        Parameters parameters = Parameters.on(device).add("w", new float[] {1, -2, 3}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adamW())
                .learningRate(Schedules.cosine(0.1, 20).warmUp(5))
                .clipNorm(1)
                .build()) {
      for (int i = 0; i < 20; i++) {
        parameters.get("w").gradients().copyFrom(parameters.get("w").values().toFloats());
        optimizer.step();
      }
      return Arrays.toString(parameters.get("w").values().toFloats());
    }
  }
}
