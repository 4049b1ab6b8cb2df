package io.warmstep.backend;

import io.warmstep.step.CapturedCounts;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;

/**
 * A prepared step that a device repeats without the host, in a graph or launch by launch: the
 * numbers that move from step to step wait on the device's side of a ring, which the host fills
 * ahead, and the device counts what happened. Used by one thread at a time.
 */
public interface CapturedProgram extends AutoCloseable {
  /**
   * How many steps beyond those that happened have room for their numbers, and so how many launches
   * may be outstanding.
   *
   * @return the slots of the ring
   */
  int room();

  /**
   * Has the device go on from somewhere else, after all that it was given so far. All launches that
   * were allowed must be over, and the device's stream is capturing no graph.
   *
   * @param from where; its launches are 0
   */
  void begin(CapturedCounts from);

  /**
   * Writes the numbers of a step. Allocates nothing.
   *
   * @param step its number, at most {@link #room} beyond those that happened
   * @param inputs the numbers; the gradient scale is the device's own
   * @param passes those of the passes behind it, in which groups {@linkplain
   *     StepInputs#keepsParameters keep their parameters} that have none after this step
   */
  void write(long step, StepInputs inputs, StepInputs passes);

  /**
   * What gradients are multiplied by apart from the loss scale, from the next launch on; before
   * that by what the step was prepared with. Allocates nothing.
   *
   * @param factor above 0; must stay the same where a graph repeats the step
   */
  void gradientScale(double factor);

  /**
   * Lets the device do so many launches. Allocates nothing.
   *
   * @param launches since {@link #begin}, all in all
   */
  void allow(long launches);

  /**
   * What the device has reported by now. It reports launches when they are over, so whatever else
   * there is belongs to those or to later ones.
   *
   * @param to receives it
   */
  void read(CapturedCounts to);

  /** Waits until at most {@link #room} launches are outstanding, one more to come. */
  void awaitRoom();

  /** Waits until the device has reported all launches, and so knows whether the steps happen. */
  void settle();

  /** Launches the step, by a graph of its own if it has one. Allocates nothing. */
  void launch();

  /**
   * Makes room for {@link #launch(UpdateTiles)}, as {@link StepProgram#prepare} does. Not where a
   * graph repeats the step.
   *
   * @param tiles what is to receive what the next step sees
   * @throws io.warmstep.OutOfDeviceMemoryException if there is not enough; a later call may succeed
   */
  void prepare(UpdateTiles tiles);

  /**
   * Launches the step and measures its update. Allocates nothing, as {@link #prepare} has. Not
   * where a graph repeats the step.
   *
   * @param tiles receives what the step sees; if it is skipped, what is in there says nothing
   */
  void launch(UpdateTiles tiles);

  /**
   * Copies the last launch's norm to memory of the device, as {@link StepProgram#keepNorm} does.
   *
   * @param to one element of {@link StepProgram#normType}
   * @return false if the norm is not computed; then nothing is copied
   */
  boolean keepNorm(Memory to);

  /**
   * How much memory {@link #keepCounts} needs.
   *
   * @return elements of float64
   */
  int countWords();

  /**
   * Copies the device's counts to memory of the device, in the order of its work: later steps leave
   * them there. Waits for nothing.
   *
   * @param to {@link #countWords} elements of float64, as which the bits are kept
   */
  void keepCounts(Memory to);

  /**
   * Reads what {@link #keepCounts} kept.
   *
   * @param kept the bits, in the order of this machine
   * @param to receives the counts
   */
  void readCounts(ByteBuffer kept, CapturedCounts to);

  /**
   * Takes a plan that differs in nothing but where operands lie, for launches from now on.
   *
   * @param plan as this program was prepared for, with other slices
   * @param passes likewise
   * @return false if the step must be prepared anew for that, before it is launched again
   */
  boolean rebind(StepPlan plan, StepPlan passes);

  /**
   * Puts the step into the graph that the device's stream is capturing.
   *
   * @throws StepRefusedException if it captures none; nothing has changed
   */
  void record();

  /**
   * Global norm of the scaled gradients of the last launch, before clipping; after {@link #settle}.
   *
   * @return the norm, or NaN if the plan does not need it or nothing was launched
   */
  double gradientNorm();

  /** Releases what was prepared. A second call does nothing. */
  @Override
  void close();
}
