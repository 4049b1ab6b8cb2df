package io.warmstep;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.warmstep.collective.Collective;
import io.warmstep.collective.WorkersDifferException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.TreeMap;

/**
 * The message that a worker sends to all before a step, so that all take the same one.
 *
 * @param microBatches number that it has accumulated
 * @param hasOneLane whether its current gradients can be used as its lane's
 * @param number of the step, from 1
 * @param gradientScale factor of the gradients in this step
 * @param learningRate before the groups' factors
 * @param wanted what its listeners want, which may differ
 * @param moving the scheduled values of other hyperparameters in this step, as text that differs
 *     for any two numbers
 * @param frozen the patterns of the frozen groups, as text
 */
record StepAgreement(
    long microBatches,
    boolean hasOneLane,
    long number,
    double gradientScale,
    double learningRate,
    SharedReports.Wanted wanted,
    String moving,
    String frozen) {
  private static final int NUMBERS = 7 * Long.BYTES;

  /**
   * What workers have agreed on.
   *
   * @param isInPlace whether nobody has accumulated anything, so that the current gradients are
   *     used
   * @param wanted the most that any worker's listeners want
   */
  record Reached(boolean isInPlace, SharedReports.Wanted wanted) {}

  private byte[] bytes() {
    byte[] movingText = moving.getBytes(UTF_8);
    byte[] frozenText = frozen.getBytes(UTF_8);
    return ByteBuffer.allocate(NUMBERS + movingText.length + frozenText.length)
        .putLong(microBatches)
        .putLong(hasOneLane ? 1 : 0)
        .putLong(number)
        .putDouble(gradientScale)
        .putDouble(learningRate)
        .putLong(wanted.ordinal())
        .putLong(movingText.length)
        .put(movingText)
        .put(frozenText)
        .array();
  }

  static StepAgreement of(
      Optimizer optimizer,
      LaneGradients gradients,
      double gradientScale,
      SharedReports.Wanted wanted) {
    long number = optimizer.progress().next();
    return new StepAgreement(
        gradients.count(),
        gradients.hasOneLane(),
        number,
        gradientScale,
        optimizer.rates().rate(number),
        wanted,
        new TreeMap<>(optimizer.moving().at(number)).toString(),
        optimizer.trainedGroups().stream()
            .filter(TrainedGroup::isFrozen)
            .map(group -> group.rules().pattern())
            .toList()
            .toString());
  }

  private static StepAgreement of(byte[] message) {
    ByteBuffer bytes = ByteBuffer.wrap(message);
    return new StepAgreement(
        bytes.getLong(),
        bytes.getLong() == 1,
        bytes.getLong(),
        bytes.getDouble(),
        bytes.getDouble(),
        SharedReports.Wanted.values()[(int) bytes.getLong()],
        text(bytes, (int) bytes.getLong()),
        text(bytes, bytes.remaining()));
  }

  private static String text(ByteBuffer bytes, int length) {
    byte[] text = new byte[length];
    bytes.get(text);
    return new String(text, UTF_8);
  }

  /**
   * Ensures that all workers take this step.
   *
   * @return what follows for all of them
   * @throws WorkersDifferException at all workers, with two that take different steps
   * @throws IllegalStateException at all workers, if nobody has accumulated anything and a worker
   *     has several lanes
   */
  Reached reach(Collective collective) {
    List<StepAgreement> all = collective.exchange(bytes()).stream().map(StepAgreement::of).toList();
    StepAgreement first = all.get(0);
    long count = 0;
    boolean haveOneLane = true;
    SharedReports.Wanted most = SharedReports.Wanted.NOTHING;
    for (int worker = 0; worker < all.size(); worker++) {
      StepAgreement its = all.get(worker);
      count += its.microBatches;
      haveOneLane &= its.hasOneLane;
      most = its.wanted.compareTo(most) > 0 ? its.wanted : most;
      if (!its.isOfSameStep(first)) {
        throw new WorkersDifferException(
            "all workers must take the same step, but worker 0 takes "
                + first.step()
                + ", and worker "
                + worker
                + " "
                + its.step());
      }
    }
    if (count == 0 && !haveOneLane) {
      throw new IllegalStateException(
          "no worker has accumulated a micro-batch, and workers have more than one lane: call"
              + " accumulate(microBatch) after each micro-batch");
    }
    return new Reached(count == 0, most);
  }

  private boolean isOfSameStep(StepAgreement other) {
    return number == other.number
        && Double.compare(gradientScale, other.gradientScale) == 0
        && Double.compare(learningRate, other.learningRate) == 0
        && moving.equals(other.moving)
        && frozen.equals(other.frozen);
  }

  private String step() {
    return "step "
        + number
        + " with gradient scale "
        + gradientScale
        + " and learning rate "
        + learningRate
        + (moving.equals("{}") ? "" : " and " + moving)
        + (frozen.equals("[]") ? "" : " and frozen groups " + frozen);
  }
}
