package io.warmstep.collective;

import io.warmstep.check.Arguments;
import java.time.Duration;
import java.util.List;

/** Creates collectives whose workers are in this process. */
public final class Collectives {
  /** The default time limit of an operation. */
  public static final Duration DEFAULT_LIMIT = Duration.ofMinutes(5);

  private Collectives() {}

  /**
   * Workers that are threads of this process, with the default time limit.
   *
   * <pre>{@code
   * List<Collective> workers = Collectives.inProcess(4);
   * workers.forEach(worker -> executor.submit(() -> train(worker)));
   * }</pre>
   *
   * @param size number of workers, at least 1
   * @return one for each, to be used and closed by its thread
   * @throws IllegalArgumentException if the size is out of range
   */
  public static List<Collective> inProcess(int size) {
    return inProcess(size, DEFAULT_LIMIT);
  }

  /**
   * Workers that are threads of this process.
   *
   * @param size number of workers, at least 1
   * @param limit how long an operation may take from this worker's call on, including waiting for
   *     workers that are still busy
   * @return one for each, to be used and closed by its thread
   * @throws IllegalArgumentException if the size or the limit is out of range
   */
  public static List<Collective> inProcess(int size, Duration limit) {
    Arguments.requireAtLeast("size", size, 1, "pass the number of workers");
    return InProcess.of(size, requireLimit(limit));
  }

  /**
   * A collective of a single worker.
   *
   * @return a collective of size 1
   */
  public static Collective alone() {
    return inProcess(1).get(0);
  }

  static Duration requireLimit(Duration limit) {
    Arguments.requirePresent("limit", limit, "pass how long an operation may take");
    if (limit.isNegative() || limit.isZero() || limit.compareTo(Duration.ofDays(1)) > 0) {
      throw Arguments.refusal(
          "limit", limit, "above 0 and at most a day", "pass how long an operation may take");
    }
    return limit;
  }
}
