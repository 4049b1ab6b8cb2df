package io.warmstep.cli;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import io.warmstep.ElementType;
import io.warmstep.cli.bench.Footprint;
import io.warmstep.cli.bench.Sample;
import io.warmstep.cli.bench.StepBenchmark;
import java.io.PrintWriter;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.Locale;

/**
 * What {@code warmstep bench} shows of a measurement.
 *
 * @param result what was measured
 * @param onCpu whether plain Java did the steps
 * @param type of the parameters
 */
record BenchReport(StepBenchmark.Result result, boolean onCpu, ElementType type) {
  /** A step that is further from the ceiling than this has another limit than memory. */
  private static final double SLOW = 0.3;

  // One above the other, so that one sees the columns.
  @SuppressWarnings("InlineFormatString")
  private static final String HEADER = "  %-20s %12s %12s %11s %7s  %s%n";

  @SuppressWarnings("InlineFormatString")
  private static final String ROW = "  %-20s %12s %12s %11s %7.1f  %s%n";

  /** The JSON fields, for the help text. */
  static final String FIELDS =
      """
        rule, caution, lookahead  as asked for
        backend, dtype            as asked for
        gradients                 their type
        master, state, rounding   as asked for
        small_tensor, average     as asked for
        full_step, accumulate     as asked for
        adaptive_clip             as asked for, or null
        captured, reported        as asked for
        params, tensors           how many elements, in how many tensors
        working_set_bytes         of parameters, gradients and state
        bytes_per_param           the fewest bytes that a step moves for a parameter
        state_bytes_per_param     held between steps, beside parameter and gradient
                                  (sums of --accumulate included)
        rounds, steps_per_round   what was measured, after rounds to warm up
        ms_per_step               milliseconds of a step: the median of the rounds
        ms_per_step_min           in the fastest round
        ms_per_step_max           in the slowest round
        gb_per_s                  10^9 bytes per second, by the median
        ceiling                   what the step is compared with; null in caches
        fraction_of_ceiling       the ceiling's time divided by the step's: 1 is as
                                  fast as memory allows; the median, null in caches
        fraction_of_ceiling_min   in the worst round
        fraction_of_ceiling_max   in the best round
        host_us_per_step          microseconds until step() returns, the median: on
                                  the processor that is the step; on a GPU it is the
                                  time to hand it over, while others still run there
        bytes_allocated_per_step  on the Java heap, in the round with the fewest
        plain                     a full step's update alone, which took turns with it:
                                  an object of ms_per_step, times_step (that divided
                                  by the full step's), times_step_min, times_step_max;
                                  null otherwise
        separate                  likewise a full step in separate passes, or null
        separate_left_out         why those of a full step are null, or null
        arithmetic                likewise a plain Java loop with the arithmetic of adam
                                  or adamw in float32, in the processor's caches; null
                                  otherwise
        uncaptured, unreported    likewise a step as it is without --captured or
                                  --reported
        hint                      where to look if the fraction is below 0.3, or null
        rules                     of --rule all: an object of these fields for each
        left_out                  of --rule all: an object of rule and reason for each
                                  that an option is not for""";

  void print(PrintWriter out) {
    Sample millis = result.millisPerStep();
    line(
        out,
        "a step",
        "%s (%s to %s)",
        time(millis.median() * 1e6),
        time(millis.lowest() * 1e6),
        time(millis.highest() * 1e6));
    result.others().forEach((other, rival) -> printRival(out, other.title(), rival));
    if (result.noSeparate() != null) {
      line(out, StepBenchmark.Other.SEPARATE.title(), "left out: %s", result.noSeparate());
    }
    line(
        out,
        "memory traffic",
        "%.1f GB/s, %s bytes per parameter",
        result.gigabytesPerSecond(),
        bytes(result.footprint().elementTraffic()));
    Sample fraction = result.fractionOfCeiling();
    if (fraction == null) {
      Footprint footprint = result.footprint();
      line(
          out,
          "fraction of ceiling",
          "none: %.1f MB fit in caches of %.0f MB, where memory is no limit",
          footprint.workingSet() / 1e6,
          footprint.cacheBytes() / 1e6);
      line(out, "", "(--size %d and more have one)", footprint.leastBeyondCaches());
    } else {
      line(
          out,
          "fraction of ceiling",
          "%.3f (%.3f to %.3f) of a %s%s",
          fraction.median(),
          fraction.lowest(),
          fraction.highest(),
          result.ceiling(),
          aboveOne(fraction.median()));
    }
    if (!onCpu) { // there a call is the step
      line(out, "host time of a call", "%s", time(result.hostMicrosPerStep() * 1e3));
    }
    line(out, "allocated per step", "%.1f bytes", result.bytesAllocatedPerStep());
    if (hint() != null) {
      out.println("hint: " + hint());
    }
  }

  /** What stands over the rows of a table. */
  static void printHeader(PrintWriter out) {
    out.printf(
        Locale.ROOT, HEADER, "", "a step", "bytes moved", "bytes held", "GB/s", "of the ceiling");
  }

  /** One row of a table. */
  void printRow(PrintWriter out, String rule) {
    Sample fraction = result.fractionOfCeiling();
    out.printf(
        Locale.ROOT,
        ROW,
        rule,
        time(result.millisPerStep().median() * 1e6),
        bytes(result.footprint().elementTraffic()),
        bytes(result.footprint().elementState()),
        result.gigabytesPerSecond(),
        fraction == null ? "in caches" : String.format(Locale.ROOT, "%.2f", fraction.median()));
  }

  /** With decimals only where there are any. */
  private static String bytes(double count) {
    return new DecimalFormat("0.##", DecimalFormatSymbols.getInstance(Locale.ROOT)).format(count);
  }

  /** A whole number is written as one. */
  private static Number number(double value) {
    if (value == Math.rint(value)) {
      return (long) value;
    }
    return value;
  }

  private static void printRival(PrintWriter out, String name, StepBenchmark.Rival rival) {
    line(
        out,
        name,
        "%s, %.2f times the step (%.2f to %.2f)",
        time(rival.millisPerStep().median() * 1e6),
        rival.timesStep().median(),
        rival.timesStep().lowest(),
        rival.timesStep().highest());
  }

  private static void line(PrintWriter out, String name, String format, Object... values) {
    out.printf(Locale.ROOT, "  %-22s %s%n", name, String.format(Locale.ROOT, format, values));
  }

  /** No step beats what memory allows: the two were measured at different moments. */
  private static String aboveOne(double fraction) {
    return fraction > 1 ? " (above 1 is the noise of the measurement)" : "";
  }

  /** In the unit in which it reads best. */
  private static String time(double nanos) {
    if (nanos < 1e3) {
      return String.format(Locale.ROOT, "%.0f ns", nanos);
    }
    return nanos < 1e6
        ? String.format(Locale.ROOT, "%.2f us", nanos / 1e3)
        : String.format(Locale.ROOT, "%.2f ms", nanos / 1e6);
  }

  /** What to look for in a step that is far from the ceiling, or null. */
  String hint() {
    Sample fraction = result.fractionOfCeiling();
    boolean isReported = result.others().containsKey(StepBenchmark.Other.UNREPORTED);
    if (fraction == null || fraction.median() >= SLOW || isReported) {
      return null; // what is measured for a listener is no part of the ceiling
    }
    if (!onCpu) {
      return "far below what memory allows. On few elements the launch is the limit; otherwise look"
          + " for branches in the rule that differ between elements.";
    }
    return type != type.arithmetic()
        ? "the Java loops that convert half types do not vectorize; float32 is faster here."
        : "far below what memory allows. A branch per element (if, ?:, &&) keeps the rule's Java"
            + " loop from being vectorized: write it with Math.min, Math.max, Math.abs and"
            + " arithmetic.";
  }

  void addTo(JsonObject object) {
    object.addProperty("working_set_bytes", result.footprint().workingSet());
    object.addProperty("bytes_per_param", number(result.footprint().elementTraffic()));
    object.addProperty("state_bytes_per_param", number(result.footprint().elementState()));
    object.addProperty("steps_per_round", result.stepsPerRound());
    object.addProperty("rounds", result.rounds());
    add(object, "ms_per_step", result.millisPerStep());
    object.addProperty("gb_per_s", result.gigabytesPerSecond());
    object.addProperty("ceiling", result.ceiling());
    add(object, "fraction_of_ceiling", result.fractionOfCeiling());
    object.addProperty("host_us_per_step", result.hostMicrosPerStep());
    object.addProperty("bytes_allocated_per_step", result.bytesAllocatedPerStep());
    for (StepBenchmark.Other other : StepBenchmark.Other.values()) {
      object.add(other.key(), rival(result.others().get(other)));
    }
    object.addProperty("separate_left_out", result.noSeparate());
    object.addProperty("hint", hint());
  }

  private static JsonElement rival(StepBenchmark.Rival rival) {
    if (rival == null) {
      return JsonNull.INSTANCE;
    }
    JsonObject object = new JsonObject();
    object.addProperty("ms_per_step", rival.millisPerStep().median());
    add(object, "times_step", rival.timesStep());
    return object;
  }

  /** The median and the spread, or null three times. */
  private static void add(JsonObject object, String name, Sample sample) {
    object.addProperty(name, sample == null ? null : sample.median());
    object.addProperty(name + "_min", sample == null ? null : sample.lowest());
    object.addProperty(name + "_max", sample == null ? null : sample.highest());
  }
}
