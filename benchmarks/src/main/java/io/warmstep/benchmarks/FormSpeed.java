package io.warmstep.benchmarks;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * How long an element of a step takes on one thread, under each form of each rule in float32 and
 * float64, in a JVM of its own: a loop that the just-in-time compiler does not vectorize takes
 * several times as long as those of other forms. Which loops it does differs between JDKs, and with
 * the length of the tensor, since what has run when a loop is compiled matters, too.
 *
 * <pre>
 * bin/jmh --build-only
 * java -cp benchmarks/target/jmh/benchmarks.jar io.warmstep.benchmarks.FormSpeed 60000
 * java -cp benchmarks/target/jmh/benchmarks.jar io.warmstep.benchmarks.FormSpeed 1500000
 * </pre>
 *
 * <p>Muon is left out, whose products {@link MatrixSpeed} measures.
 */
public final class FormSpeed {
  private static final int COLUMNS = 1000;

  /** The least that are run, and how many elements they are to have passed over. */
  private static final int STEPS = 40;

  private static final int ELEMENTS = 300_000_000;

  private FormSpeed() {}

  /**
   * Measures.
   *
   * @param arguments the number of elements, and for one form alone its index
   * @throws IOException if no JVM can be started
   * @throws InterruptedException if the thread is interrupted
   */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    int length = Integer.parseInt(arguments[0]);
    List<UpdateRule> forms = forms();
    if (arguments.length > 1) {
      measure(Integer.parseInt(arguments[1]), length);
      return;
    }
    System.out.println("form, ns per element in float32 and float64");
    for (int i = 0; i < forms.size(); i++) {
      int status =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  FormSpeed.class.getName(),
                  arguments[0],
                  Integer.toString(i))
              .inheritIO()
              .start()
              .waitFor();
      if (status != 0) {
        throw new IllegalStateException(forms.get(i) + " ended with " + status);
      }
    }
  }

  /** Whether a rule ascends makes no difference to its loop. */
  private static List<UpdateRule> forms() {
    List<UpdateRule> forms = new ArrayList<>();
    for (UpdateRule form : Rules.forms()) {
      boolean ascends = Boolean.TRUE.equals(RuleSettings.values(form).get("maximize"));
      if (!ascends && form.matrix().isEmpty()) {
        forms.add(form);
      }
    }
    return forms;
  }

  private static void measure(int index, int length) {
    UpdateRule form = forms().get(index);
    System.out.printf(
        Locale.ROOT,
        "%3d %6.3f %6.3f  %s %s%n",
        index,
        nanoseconds(form, ElementType.FLOAT32, length),
        nanoseconds(form, ElementType.FLOAT64, length),
        form.name(),
        RuleSettings.values(form));
  }

  /** Of the fastest step. */
  private static double nanoseconds(UpdateRule form, ElementType type, int length) {
    try (Device device = Devices.cpu(1)) {
      ParametersBuilder builder = Parameters.on(device).add("w", type, length);
      if (form.isFactored() && length % COLUMNS == 0) {
        builder.shape("w", length / COLUMNS, COLUMNS);
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer = Optimizer.of(parameters).rule(form).learningRate(1e-3).build()) {
        SplittableRandom random = new SplittableRandom(1);
        parameters.get("w").gradients().copyFrom(random.doubles(length, -0.5, 0.5).toArray());
        long best = Long.MAX_VALUE;
        for (int i = Math.max(STEPS, ELEMENTS / length); i > 0; i--) {
          long began = System.nanoTime();
          optimizer.step();
          best = Math.min(best, System.nanoTime() - began);
        }
        return best / (double) length;
      }
    }
  }
}
