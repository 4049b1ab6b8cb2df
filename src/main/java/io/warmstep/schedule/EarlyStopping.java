package io.warmstep.schedule;

import io.warmstep.check.Arguments;
import io.warmstep.schedule.PlateauSchedule.Mode;

/**
 * Says when to stop training because a metric on rows that training never sees has stopped
 * improving. Report the metric after each epoch, or at whatever interval {@code patience} counts,
 * and keep the parameters of the best report:
 *
 * <pre>{@code
 * EarlyStopping stopping = EarlyStopping.patience(5).minChange(1e-3);
 * for (int epoch = 1; epoch <= most && !stopping.isStopped(); epoch++) {
 *   // train for an epoch
 *   if (stopping.report(validationLoss)) {
 *     // the best so far: save the parameters
 *   }
 * }
 * // take the saved parameters; they are those of report stopping.bestReport()
 * }</pre>
 *
 * <p>A report is an improvement if it is better than the best one so far by more than the minimum
 * change, or if it is the first that is finite. A non-finite one never is. After {@code patience}
 * reports in a row without an improvement the training should stop; a later improvement does not
 * revoke that.
 *
 * <p>To resume a run exactly, save {@link #state} and give it to {@link #restore}. The methods that
 * take a setting return a changed copy, without any reports. Not safe for use by several threads at
 * once.
 */
public final class EarlyStopping {
  /**
   * The state after the reports so far.
   *
   * @param best the best metric so far; NaN before the first finite one
   * @param bestReport the number of the best report, from 1; 0 before the first finite one
   * @param reports the number of reports so far
   * @param badReports the number of reports in a row without an improvement
   * @param stopped whether the patience has run out
   */
  public record State(
      double best, long bestReport, long reports, long badReports, boolean stopped) {
    /**
     * Creates a state, for example from the values in a checkpoint.
     *
     * @param best the best metric so far; NaN before the first finite one
     * @param bestReport the number of the best report, from 1; 0 before the first finite one
     * @param reports the number of reports so far
     * @param badReports the number of reports in a row without an improvement
     * @param stopped whether the patience has run out
     * @throws IllegalArgumentException if the best metric is infinite, a count is negative, or one
     *     is more than the number of reports; or if there is a best report without a metric or the
     *     reverse
     */
    public State {
      String advice = "pass a state as state() returned it";
      Arguments.require(!Double.isInfinite(best), "best", best, "finite or NaN", advice);
      require(reports >= 0, "reports", reports, "at least 0", advice);
      String atMost = "within 0 and the number of reports, " + reports;
      require(bestReport >= 0 && bestReport <= reports, "bestReport", bestReport, atMost, advice);
      require(badReports >= 0 && badReports <= reports, "badReports", badReports, atMost, advice);
      require(
          bestReport == 0 == Double.isNaN(best),
          "bestReport",
          bestReport,
          "0 exactly if the best metric is NaN; it is " + best,
          advice);
    }

    private static void require(
        boolean holds, String name, long value, String allowed, String advice) {
      if (!holds) {
        throw Arguments.refusal(name, value, allowed, advice);
      }
    }
  }

  private final long patience;
  private final double minChange;
  private final Mode mode;
  private double best = Double.NaN;
  private long bestReport;
  private long reports;
  private long badReports;
  private boolean stopped;

  private EarlyStopping(long patience, double minChange, Mode mode) {
    this.patience = patience;
    this.minChange = minChange;
    this.mode = mode;
  }

  /**
   * Creates a rule for a metric that is better when smaller, like a loss; any decrease counts.
   *
   * @param reports the number of reports in a row without an improvement after which to stop, at
   *     least 1
   * @return the rule
   * @throws IllegalArgumentException if {@code reports} is less than 1
   */
  public static EarlyStopping patience(long reports) {
    if (reports < 1) {
      throw Arguments.refusal(
          "patience", reports, "at least 1", "pass how many reports without improvement to allow");
    }
    return new EarlyStopping(reports, 0, Mode.MIN);
  }

  /**
   * Returns a copy with another minimum change.
   *
   * @param change the difference from the best metric that an improvement must exceed, finite and
   *     at least 0; 0 by default
   * @return a changed copy, without any reports
   * @throws IllegalArgumentException if the value is out of its range
   */
  public EarlyStopping minChange(double change) {
    Arguments.require(
        change >= 0 && change < Double.POSITIVE_INFINITY,
        "minChange",
        change,
        "a finite number of at least 0",
        "pass the smallest change that counts, such as 1e-4");
    return new EarlyStopping(patience, change, mode);
  }

  /**
   * Returns a copy for a metric that improves in the given direction.
   *
   * @param mode {@link Mode#MIN} by default, {@link Mode#MAX} for an accuracy
   * @return a changed copy, without any reports
   * @throws NullPointerException if it is null
   */
  public EarlyStopping mode(Mode mode) {
    Arguments.requirePresent("mode", mode, "pass MIN for a loss, MAX for an accuracy");
    return new EarlyStopping(patience, minChange, mode);
  }

  /**
   * Reports the metric.
   *
   * @param metric the metric; NaN and infinities count as no improvement
   * @return whether it is the best so far, so that the parameters are worth keeping
   */
  public boolean report(double metric) {
    if (reports < Long.MAX_VALUE) {
      reports++;
    }
    boolean isImprovement = isImprovement(metric);
    if (isImprovement) {
      best = metric;
      bestReport = reports;
      badReports = 0;
    } else if (badReports < Long.MAX_VALUE) {
      badReports++;
    }
    stopped |= badReports >= patience;
    return isImprovement;
  }

  private boolean isImprovement(double metric) {
    if (!Double.isFinite(metric)) {
      return false;
    }
    return Double.isNaN(best)
        || (mode == Mode.MIN ? metric < best - minChange : metric > best + minChange);
  }

  /**
   * Returns whether the patience has run out.
   *
   * @return whether to stop
   */
  public boolean isStopped() {
    return stopped;
  }

  /**
   * Returns the best metric so far.
   *
   * @return the metric of the best report; NaN before the first finite one
   */
  public double best() {
    return best;
  }

  /**
   * Returns which report was the best.
   *
   * @return its number, from 1; 0 before the first finite one
   */
  public long bestReport() {
    return bestReport;
  }

  /**
   * Returns the state after the reports so far, for a checkpoint.
   *
   * @return the current state
   */
  public State state() {
    return new State(best, bestReport, reports, badReports, stopped);
  }

  /**
   * Resumes from a saved state.
   *
   * @param state the state, from {@link #state} of a rule with the same settings
   * @throws NullPointerException if {@code state} is null
   */
  public void restore(State state) {
    Arguments.requirePresent("state", state, "pass a state as state() returned it");
    best = state.best;
    bestReport = state.bestReport;
    reports = state.reports;
    badReports = state.badReports;
    stopped = state.stopped;
  }

  @Override
  public String toString() {
    return "EarlyStopping[patience="
        + patience
        + ", minChange="
        + minChange
        + ", mode="
        + mode
        + ", best="
        + best
        + ", bestReport="
        + bestReport
        + ", reports="
        + reports
        + ", badReports="
        + badReports
        + ", stopped="
        + stopped
        + "]";
  }
}
