package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Runs the cases of a golden file on a device and measures how far the results are off.
 *
 * @param outcomes the cases that ran
 * @param skipped the cases that cannot be read, that this version has no rule for, or that the
 *     library rejects
 */
public record GoldenReplay(List<Outcome> outcomes, List<Skipped> skipped) {
  /** The relative error up to which a case passes in float64. */
  public static final double FLOAT64_TOLERANCE = 1e-12;

  /** The relative error up to which a case passes in float32. */
  public static final double FLOAT32_TOLERANCE = 1e-5;

  /**
   * What a first step size d0 divides: about one unit in the last place of 1. The distance from the
   * start, which the step size is estimated from, is the difference of two parameters; after a step
   * of d0 they are so close that of each only digits below that are left.
   */
  public static final double FLOAT64_CANCELLATION = 1e-16;

  /** The same in float32. */
  public static final double FLOAT32_CANCELLATION = 1e-7;

  /**
   * How a case came out.
   *
   * @param name the case
   * @param backend where it ran
   * @param type the parameters' type
   * @param tolerance the relative error up to which it passes
   * @param worst the value that is furthest off
   * @param missing state of the rule that the file lacks, so that it is not compared
   * @param ignored what the file has beside state, or what follows from other values, which is not
   *     compared either
   */
  public record Outcome(
      String name,
      String backend,
      ElementType type,
      double tolerance,
      Worst worst,
      Set<String> missing,
      Set<String> ignored) {
    /**
     * Says whether the error is within the tolerance.
     *
     * @return whether it is
     */
    public boolean passed() {
      return worst.error() <= tolerance;
    }
  }

  /**
   * A value that is off.
   *
   * @param error relative to the largest magnitude that the value has had up to there or, in files
   *     of several tensors, any value of the tensor; infinite if only one of it and the expected
   *     value is NaN or infinite, and if it cannot be compared
   * @param step the snapshot's; 0 where nothing is off
   * @param tensor whose it is
   * @param slot what it is, such as {@code exp_avg} or {@code params}
   * @param problem why it cannot be compared; empty if it can
   */
  public record Worst(double error, int step, String tensor, String slot, String problem) {}

  /**
   * A case that did not run.
   *
   * @param name the case
   * @param reason why
   */
  public record Skipped(String name, String reason) {}

  /**
   * Replays every case.
   *
   * @param golden the cases
   * @param device where to run
   * @param type float32 or float64
   * @return what came out
   */
  public static GoldenReplay run(GoldenFile golden, Device device, ElementType type) {
    List<Outcome> outcomes = new ArrayList<>();
    List<Skipped> skipped = new ArrayList<>();
    for (GoldenFile.Case one : golden.cases()) {
      try (CaseReplay replay = prepare(one, device, type)) {
        replay.run();
        outcomes.add(
            new Outcome(
                one.name(),
                device.name(),
                type,
                tolerance(replay.rule(), type),
                replay.worst(),
                replay.missing(),
                replay.ignored()));
      } catch (RefusedException e) {
        skipped.add(new Skipped(one.name(), e.getMessage()));
      }
    }
    return new GoldenReplay(outcomes, skipped);
  }

  /** Does all that may be refused. */
  private static CaseReplay prepare(GoldenFile.Case one, Device device, ElementType type)
      throws RefusedException {
    try {
      GoldenFile.Reference reference = one.reference();
      UpdateRule rule = GoldenRules.of(reference);
      double rate = GoldenRules.learningRate(reference);
      return new CaseReplay(reference, one.trajectory(), rule, rate, device, type);
    } catch (IllegalArgumentException e) {
      throw new RefusedException(e);
    }
  }

  /** A case that cannot be read, or that the rules or the library refuse. */
  private static final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    RefusedException(IllegalArgumentException cause) {
      super(cause.getMessage(), cause);
    }
  }

  /** More under a rule that estimates its step size from how far parameters have come. */
  private static double tolerance(UpdateRule rule, ElementType type) {
    boolean isFloat64 = type == ElementType.FLOAT64;
    double usual = isFloat64 ? FLOAT64_TOLERANCE : FLOAT32_TOLERANCE;
    double cancellation = isFloat64 ? FLOAT64_CANCELLATION : FLOAT32_CANCELLATION;
    return RuleSettings.values(rule).get("d0") instanceof Number d0
        ? Math.max(usual, cancellation / d0.doubleValue())
        : usual;
  }
}
