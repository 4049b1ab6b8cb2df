package io.warmstep;

import io.warmstep.check.Arguments;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.collective.Collective;
import io.warmstep.collective.CollectiveException;
import io.warmstep.collective.LaneTree;
import io.warmstep.collective.WorkersDifferException;
import io.warmstep.step.GradientScale;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/**
 * One worker's share of an optimizer (ZeRO stage 1). Every worker has all parameters and computes
 * gradients of other micro-batches; each keeps the state of its share and updates that. All workers
 * call the same methods in the same order. Used by one thread at a time.
 *
 * <pre>{@code
 * try (ShardedOptimizer optimizer =
 *     Optimizer.of(parameters)
 *         .rule(Adam.adamW())
 *         .learningRate(1e-3)
 *         .gradientScale(1.0 / 8) // a mean over the 8 micro-batches of a step
 *         .sharded(collective)
 *         .lanes(8)
 *         .build()) {
 *   for (long microBatch = 0; microBatch < 8; microBatch++) {
 *     if (optimizer.isMine(microBatch)) {
 *       backward(step, microBatch); // writes the gradients
 *       optimizer.accumulate(microBatch);
 *     }
 *   }
 *   optimizer.step();
 * }
 * }</pre>
 *
 * <p>The bits of parameters and state after a step do not depend on how many workers there are, nor
 * on the transport, nor on who is first, unless the {@linkplain ShardedOptimizerBuilder#fast fast}
 * order was asked for: {@link LaneTree} says in which order gradients are added. One worker alone
 * gives the same bits.
 *
 * <p>A step happens at all workers or throws at all of them that are left: {@link #step()} returns
 * when every worker has the step's parameters. After a {@link CollectiveException} no step can
 * follow; restore a checkpoint into a new optimizer, with as many workers as there are then.
 */
public final class ShardedOptimizer implements AutoCloseable {
  private final Collective collective;
  private final Parameters parameters;
  private final Shards shards;
  private final Parameters share;
  private final Optimizer optimizer;
  private final LaneGradients gradients;
  private final LaneTree tree; // null in the fast mode
  private final Lifetime lifetime;
  private final ExclusiveUse use = new ExclusiveUse();
  private CollectiveException failure;

  /** Steps that all workers have finished. */
  private long steps;

  ShardedOptimizer(
      Collective collective,
      Parameters parameters,
      Shards shards,
      Parameters share,
      Optimizer optimizer,
      LaneGradients gradients,
      LaneTree tree) {
    this.collective = collective;
    this.parameters = parameters;
    this.shards = shards;
    this.share = share;
    this.optimizer = optimizer;
    this.gradients = gradients;
    this.tree = tree;
    this.steps = optimizer.stepCount();
    this.lifetime = Lifetime.begin(this, "sharded optimizer");
  }

  /** Has all workers have all workers' parameters. */
  private void gather() {
    shards.gather(collective, OptionalInt.empty());
  }

  /**
   * Whether this worker is to compute the gradients of a micro-batch.
   *
   * @param microBatch its number in the step, from 0
   * @return true for one worker alone; in the fast order for the one whose rank is the number
   *     modulo the number of workers, which is advice
   */
  public boolean isMine(long microBatch) {
    return tree == null
        ? microBatch % collective.size() == collective.rank()
        : tree.belongsTo(microBatch, collective.rank());
  }

  /**
   * Adds the present gradients to those of the step, as the gradients of one micro-batch. Those of
   * a lane are to be added in the order of their numbers. Sets the gradients to zero if {@link
   * OptimizerBuilder#zeroGradients} says so.
   *
   * @param microBatch its number in the step, from 0
   * @throws IllegalArgumentException if it is another worker's; nothing changes
   * @throws ConcurrentUseException if another thread is in a call of this optimizer
   * @throws OutOfDeviceMemoryException if there is no room for the sum of a lane
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void accumulate(long microBatch) {
    Arguments.requireAtLeast("microBatch", microBatch, 0, "number those of a step from 0");
    if (tree != null && !isMine(microBatch)) {
      throw Arguments.refusal(
          "microBatch",
          microBatch,
          "of one of the lanes "
              + tree.firstLane(collective.rank())
              + " to "
              + (tree.firstLane(collective.rank() + 1) - 1)
              + " of "
              + tree.lanes(),
          "ask isMine(microBatch) first");
    }
    use.enter("accumulate()");
    try {
      checkUsable();
      gradients.add(microBatch);
      if (optimizer.options().zeroGradients()) {
        zeroAll();
      }
    } finally {
      use.leave();
    }
  }

  /**
   * Takes a step with the gradients that all workers have accumulated; a lane without micro-batches
   * counts as zeros. Where nobody has accumulated any and each worker has one lane, the gradients
   * as they are count, so that one micro-batch for each worker needs no call of {@link
   * #accumulate}.
   *
   * @throws CollectiveException if a worker is lost, differs or is too late; no step can follow
   * @throws StepFailedException if the device failed in this or an earlier step
   * @throws IllegalStateException as {@link Optimizer#step()}, or if nothing was accumulated where
   *     workers have several lanes; nothing changes
   * @throws ConcurrentUseException if another thread is in a call of this optimizer
   * @throws ClosedException if the optimizer, its parameters, the device or the collective is
   *     closed
   */
  public void step() {
    step(optimizer.options().gradientScale());
  }

  /**
   * Takes a step as {@link #step()} does, with another factor for this step's gradients than {@link
   * OptimizerBuilder#gradientScale} has, which is the same at all workers.
   *
   * @param gradientScale what gradients are multiplied by before anything else; above 0 and a
   *     normal float32 number
   * @throws IllegalArgumentException if the factor is out of range; nothing changes
   */
  public void step(double gradientScale) {
    GradientScale.require(gradientScale);
    use.enter("step()");
    try {
      checkUsable();
      optimizer.evaluation().requireTraining("step()");
      boolean isInPlace = agree(gradientScale);
      gradients.reduce(collective, isInPlace);
      optimizer.step(gradientScale);
      if (!optimizer.isLastStepSkipped()) {
        gather();
      }
      if (optimizer.options().zeroGradients()) {
        zeroAll();
      }
      gradients.clear();
      collective.barrier(); // nobody goes on unless all have the parameters
      steps = optimizer.stepCount();
    } catch (StepFailedException e) {
      if (e.getCause() instanceof CollectiveException cause) {
        throw fail(cause);
      }
      collective.close(); // the others must not wait for this share
      throw e;
    } catch (CollectiveException e) {
      throw fail(e);
    } finally {
      use.leave();
    }
  }

  private CollectiveException fail(CollectiveException e) {
    failure = e;
    return e;
  }

  /**
   * Makes sure that all workers take the same step.
   *
   * @return whether nobody has accumulated anything
   */
  private boolean agree(double gradientScale) {
    long number = optimizer.progress().next();
    ByteBuffer own = ByteBuffer.allocate(5 * Long.BYTES);
    own.putLong(gradients.count()).putLong(gradients.hasOneLane() ? 1 : 0);
    own.putLong(number).putDouble(gradientScale);
    own.putDouble(optimizer.rates().rate(number));
    List<byte[]> all = collective.exchange(own.array());
    long count = 0;
    boolean haveOneLane = true;
    ByteBuffer first = ByteBuffer.wrap(all.get(0));
    for (int worker = 0; worker < all.size(); worker++) {
      ByteBuffer its = ByteBuffer.wrap(all.get(worker));
      count += its.getLong(0);
      haveOneLane &= its.getLong(8) == 1;
      for (int at = 16; at < 40; at += 8) {
        if (its.getLong(at) != first.getLong(at)) {
          throw new WorkersDifferException(
              "all workers must take the same step, but worker 0 takes "
                  + step(first)
                  + ", and worker "
                  + worker
                  + " "
                  + step(its));
        }
      }
    }
    if (count == 0 && !haveOneLane) {
      throw new IllegalStateException(
          "no worker has accumulated a micro-batch, and workers have more than one lane: call"
              + " accumulate(microBatch) after each micro-batch");
    }
    return count == 0;
  }

  private static String step(ByteBuffer message) {
    return "step "
        + message.getLong(16)
        + " with gradient scale "
        + message.getDouble(24)
        + " and learning rate "
        + message.getDouble(32);
  }

  /**
   * Has the parameters hold the weights to evaluate and export a model with, at all workers, which
   * all call this: see {@link Optimizer#eval}.
   *
   * @throws CollectiveException if a worker is lost or is too late
   */
  public void eval() {
    exchangeWeights("eval()", optimizer::eval);
  }

  /**
   * Goes back to training: see {@link Optimizer#train}. All workers call this.
   *
   * @throws CollectiveException if a worker is lost or is too late
   */
  public void train() {
    exchangeWeights("train()", optimizer::train);
  }

  private void exchangeWeights(String operation, Runnable change) {
    use.enter(operation);
    try {
      checkUsable();
      change.run();
      gather();
      collective.barrier();
    } catch (CollectiveException e) {
      throw fail(e);
    } finally {
      use.leave();
    }
  }

  /**
   * Whether the parameters hold the weights that are trained.
   *
   * @return as {@link Optimizer#isTraining}
   */
  public boolean isTraining() {
    return optimizer.isTraining();
  }

  /**
   * Sets every gradient to zero and forgets what was accumulated since the last step.
   *
   * @throws ConcurrentUseException if another thread is in a call of this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void zeroGradients() {
    use.enter("zeroGradients()");
    try {
      checkUsable();
      zeroAll();
      gradients.clear();
    } finally {
      use.leave();
    }
  }

  private void zeroAll() {
    for (Parameter parameter : parameters) {
      parameter.gradients().zero();
    }
  }

  /**
   * This worker's part in what all do together.
   *
   * @return as it was given
   */
  public Collective collective() {
    return collective;
  }

  /**
   * The part of a parameter that this worker updates.
   *
   * @param parameter the parameter's name
   * @return from a multiple of 4096 elements on
   * @throws IllegalArgumentException if there is no such parameter
   */
  public Shard shard(String parameter) {
    parameters.get(parameter);
    return shards.of(parameter, collective.rank());
  }

  /**
   * This worker's share of the state of one parameter: that of the elements of its {@link #shard}.
   *
   * @param parameter the parameter's name
   * @param slot PyTorch's name of the state, such as {@code exp_avg}
   * @return a tensor that closes with this optimizer
   * @throws IllegalArgumentException if there is no such parameter or state
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public Tensor state(String parameter, String slot) {
    return optimizer.state(parameter, slot);
  }

  /**
   * How many steps have happened; skipped ones do not count.
   *
   * @return the same at all workers
   */
  public long stepCount() {
    return steps;
  }

  /**
   * How many steps were skipped for a non-finite gradient at any worker.
   *
   * @return the same at all workers
   */
  public long skippedSteps() {
    return optimizer.skippedSteps();
  }

  /**
   * Whether the last step was skipped for a non-finite gradient at any worker.
   *
   * @return false if it happened, and before the first
   */
  public boolean isLastStepSkipped() {
    return optimizer.isLastStepSkipped();
  }

  /**
   * Sets the learning rate of the steps that follow, where the optimizer was built with a constant
   * one. All workers set the same.
   *
   * @param rate finite and at least 0
   * @throws IllegalArgumentException if the rate is out of range; nothing changes
   * @throws IllegalStateException if the learning rate follows a schedule
   */
  public void learningRate(double rate) {
    optimizer.learningRate(rate);
  }

  /**
   * The rate that the last step used, before the groups' factors.
   *
   * @return the rate, or NaN before the first step
   */
  public double learningRate() {
    return optimizer.learningRate();
  }

  /**
   * Global norm of the last step's gradients, as {@link Optimizer#gradientNorm()}: of the sum over
   * all workers and of the whole model.
   *
   * @return the norm, or NaN where none is computed
   */
  public double gradientNorm() {
    return optimizer.gradientNorm();
  }

  /**
   * Saves the run into a folder that all workers see: each writes its share to a file of its own,
   * and then worker 0 the file that lists them, by which they count. So there is always a whole
   * checkpoint, the former or this one. All workers call this, between steps.
   *
   * @param folder is made if it is not there; the shares of a former checkpoint in it are removed
   * @throws IOException at all workers, if one of them cannot write; the former checkpoint stays,
   *     and training can go on
   * @throws IllegalStateException if micro-batches were accumulated since the last step
   * @throws CollectiveException if a worker is lost or is too late
   */
  public void save(Path folder) throws IOException {
    use.enter("save()");
    try {
      checkUsable();
      if (gradients.count() > 0) {
        throw new IllegalStateException(
            gradients.count()
                + " micro-batches were accumulated since the last step, and no checkpoint has them:"
                + " save right after a step");
      }
      new ShardFiles(collective, parameters, this::shard).save(optimizer, folder);
    } finally {
      use.leave();
    }
  }

  /**
   * Goes on from a saved run, of any number of workers. All workers call this.
   *
   * @param path the folder that {@link #save} was given, or a file that {@link Optimizer#save}
   *     wrote
   * @return what was taken where there was a choice
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if a file is damaged or no checkpoint
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it is of other parameters or
   *     another rule
   * @throws IOException at all workers, if one of them cannot read; unless that is the same for all
   *     of them, no step can follow until a checkpoint is restored
   * @throws CollectiveException if a worker is lost or is too late
   */
  public RestoreReport restore(Path path) throws IOException {
    use.enter("restore()");
    try {
      checkUsable();
      RestoreReport report =
          new ShardFiles(collective, parameters, this::shard).restore(optimizer, path);
      gradients.clear();
      gather();
      steps = optimizer.stepCount();
      return report;
    } finally {
      use.leave();
    }
  }

  private void checkUsable() {
    lifetime.checkOpen();
    if (failure != null) {
      throw new CollectiveException(
          "an earlier step failed, since the workers could not finish it together: restore a"
              + " checkpoint into a new optimizer: "
              + failure.getMessage(),
          failure);
    }
  }

  /**
   * Frees this worker's share of the state; parameters and collective stay. Closing twice is fine.
   */
  @Override
  public void close() {
    if (lifetime.end()) {
      optimizer.close();
      gradients.close();
      share.close();
    }
  }

  @Override
  public String toString() {
    return optimizer + ", " + collective;
  }
}
