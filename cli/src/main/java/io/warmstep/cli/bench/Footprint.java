package io.warmstep.cli.bench;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.cli.train.Precision;
import io.warmstep.rule.Access;
import io.warmstep.rule.SlowWeights;
import io.warmstep.rule.StateSlot;
import io.warmstep.step.StateStorage;
import io.warmstep.storage.Remainders;
import java.util.List;

/**
 * The memory that a step works on.
 *
 * @param elements how many parameters
 * @param slots how many values of state an element has
 * @param workingSet bytes of parameters, gradients and all that is kept between steps
 * @param state bytes of what is kept between steps beside parameters and gradients, the sums of
 *     micro-batches included
 * @param read bytes that a step and its micro-batches must read: what each phase of the rule reads,
 *     mostly parameter, gradient and state; and what norms read, the rule's own and those of
 *     adaptive clipping
 * @param written the same of what it must write, mostly parameter and state
 * @param cacheBytes of the device's last caches
 */
public record Footprint(
    long elements,
    int slots,
    long workingSet,
    long state,
    long read,
    long written,
    long cacheBytes) {
  /** Bytes read and written. */
  private static final class Traffic {
    long read;
    long written;

    /** What is read, changed and written again. */
    void change(long bytes) {
      read += bytes;
      written += bytes;
    }
  }

  static Footprint of(StepWork work, long cacheBytes) {
    List<StateSlot> slots =
        work.rule().stateSlots(2).stream()
            .filter(slot -> !slot.isOneValue() && !slot.isFactor())
            .toList();
    List<StateSlot> factors =
        work.rule().stateSlots(2).stream().filter(StateSlot::isFactor).toList();
    long workingSet = 0;
    long held = 0;
    Traffic traffic = new Traffic();
    for (long length : work.lengths()) {
      long[] operands = new long[2 + slots.size()];
      operands[0] = length * work.precision().type().bytes();
      operands[1] = length * work.precision().gradients().bytes();
      for (int i = 0; i < slots.size(); i++) {
        operands[2 + i] = bytes(work.precision(), slots.get(i), length);
      }
      long master = masterBytes(work.precision(), length);
      long average = work.precision().averageDecay() == 0 ? 0 : 4 * length;
      long ofFactors = 0;
      for (StateSlot slot : factors) {
        ofFactors += slot.length(Matrix.of(length)) * work.precision().type().arithmetic().bytes();
      }
      long state = master + average + ofFactors;
      for (int i = 2; i < operands.length; i++) {
        state += operands[i];
      }
      if (work.microBatches() > 1) {
        state += length * work.precision().type().arithmetic().bytes();
        accumulate(work, length, traffic);
      }
      held += state;
      workingSet += operands[0] + operands[1] + state;
      if (work.adaptiveClip() > 0) {
        traffic.read += operands[0] + operands[1]; // for their norms
      }
      // What a master adds to a parameter is read and written with it.
      operands[0] += master;
      update(work, operands, traffic);
      traffic.change(average + slow(work, slots, operands));
      if (!factors.isEmpty()) { // a phase before all reads gradients and moves them
        traffic.read += operands[1];
        traffic.change(ofFactors);
      }
    }
    return new Footprint(
        work.elements(), slots.size(), workingSet, held, traffic.read, traffic.written, cacheBytes);
  }

  /**
   * Each micro-batch is read and all but the first sum with it, each sum is written; the last one
   * becomes the gradients.
   */
  private static void accumulate(StepWork work, long length, Traffic traffic) {
    long gradients = length * work.precision().gradients().bytes();
    long sum = length * work.precision().type().arithmetic().bytes();
    long n = work.microBatches();
    traffic.read += n * gradients + (n - 1) * sum + sum;
    traffic.written += n * sum + (work.isFull() ? n * gradients : 0) + gradients;
  }

  private static void update(StepWork work, long[] operands, Traffic traffic) {
    if (work.isFull()) { // the norm reads gradients, and the update sets them to zero
      traffic.change(operands[1]);
    } else if (work.rule().clipNorm() > 0) {
      traffic.read += operands[1]; // the norm that the rule clips by on its own
    }
    List<Access> phases =
        work.rule()
            .sums()
            .map(sums -> List.of(sums.summing(), work.rule().access()))
            .orElse(List.of(work.rule().access()));
    for (Access phase : phases) {
      for (int i = 0; i < operands.length; i++) {
        traffic.read += phase.reads(i) ? operands[i] : 0;
        traffic.written += phase.writes(i) ? operands[i] : 0;
      }
    }
  }

  /** What slow weights change: every few steps they and the parameters are read and written. */
  private static long slow(StepWork work, List<StateSlot> slots, long[] operands) {
    SlowWeights slow = work.rule().slowWeights().orElse(null);
    if (slow == null) {
      return 0;
    }
    int slot = slots.stream().map(StateSlot::name).toList().indexOf(slow.slot());
    return (operands[0] + operands[2 + slot]) / slow.period();
  }

  private static long bytes(Precision precision, StateSlot slot, long length) {
    StateStorage storage = new StateStorage(precision.state(), precision.smallTensor());
    return storage.narrows(slot) && length >= storage.smallTensor()
        ? storage.words(length) * storage.stored().bytes()
        : length * precision.type().arithmetic().bytes();
  }

  /** Of a bfloat16 parameter a master adds the bits that it lacks; of a float16 one it is whole. */
  private static long masterBytes(Precision precision, long length) {
    if (precision.masters() == MasterWeights.NONE) {
      return 0;
    }
    if (precision.masters() == MasterWeights.BITS_24) {
      return Remainders.words(length) * Short.BYTES;
    }
    return precision.type() == ElementType.BFLOAT16 ? 2 * length : 4 * length;
  }

  /**
   * Returns what a step and its micro-batches must move.
   *
   * @return bytes read and written
   */
  public long traffic() {
    return read + written;
  }

  /**
   * Returns the share of one parameter in what is kept between steps.
   *
   * @return bytes
   */
  public double elementState() {
    return (double) state / elements;
  }

  /**
   * Returns the share of one parameter in what a step must move.
   *
   * @return read and written bytes
   */
  public double elementTraffic() {
    return (double) traffic() / elements;
  }

  /**
   * Says whether all may stay in caches from one step to the next.
   *
   * @return whether memory is no limit
   */
  public boolean fitsCaches() {
    return workingSet <= cacheBytes;
  }

  /**
   * Returns how many elements do not fit in caches.
   *
   * @return the least count
   */
  public long leastBeyondCaches() {
    return (long) (cacheBytes / ((double) workingSet / elements)) + 1;
  }
}
