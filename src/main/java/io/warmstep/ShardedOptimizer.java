package io.warmstep;

import static java.util.stream.Collectors.toSet;

import io.warmstep.check.Arguments;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.collective.Collective;
import io.warmstep.collective.CollectiveException;
import io.warmstep.collective.LaneTree;
import io.warmstep.step.GradientScale;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/**
 * One worker's share of an optimizer (ZeRO stage 1). Every worker has all parameters and computes
 * gradients of different micro-batches; each keeps the state of its share and updates it. All
 * workers call the same methods in the same order. Used by one thread at a time.
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
 * on the transport, nor on which worker is first, unless the {@linkplain
 * ShardedOptimizerBuilder#fast fast} order is used: {@link LaneTree} defines the order in which
 * gradients are added. A single worker gives the same bits.
 *
 * <p>A step happens at all workers or throws at all remaining ones: {@link #step()} returns when
 * every worker has the step's parameters. After a {@link CollectiveException} no step can follow;
 * restore a checkpoint into a new optimizer, with any number of workers.
 */
public final class ShardedOptimizer implements AutoCloseable {
  private final Collective collective;
  private Parameters parameters;
  private final Shards shards;

  /** This worker's part of the parameters, of each set of them. */
  private final List<Parameters> shares = new ArrayList<>();

  private final Optimizer optimizer;
  private final SharedLeaves leaves;
  private final GatheredUpdate gathered;
  private final SharedReports reports;
  private final LaneTree tree; // null in the fast mode
  private final Lifetime lifetime;
  private final ExclusiveUse use = new ExclusiveUse();
  private final FirstFailure failure = new FirstFailure();

  /** Of the parameters that steps update: those of no frozen group. */
  private Shards active;

  private LaneGradients gradients;

  /** Steps that all workers have finished. */
  private long steps;

  ShardedOptimizer(
      Collective collective,
      Parameters parameters,
      Shards shards,
      Parameters share,
      Optimizer optimizer,
      SharedLeaves leaves,
      GatheredUpdate gathered,
      SharedReports reports,
      LaneTree tree) {
    this.collective = collective;
    this.parameters = parameters;
    this.shards = shards;
    this.shares.add(share);
    this.optimizer = optimizer;
    this.leaves = leaves;
    this.gathered = gathered;
    this.reports = reports;
    this.tree = tree;
    this.steps = optimizer.stepCount();
    use(shards.of(shards.names()));
    this.lifetime = Lifetime.begin(this, "sharded optimizer");
  }

  private void use(Shards next) {
    active = next;
    gathered.use(next, changesLater());
    if (gradients != null) {
      gradients.close();
    }
    gradients =
        new LaneGradients(
            parameters.device(),
            next,
            tree,
            collective.rank(),
            optimizer.options().zeroGradients());
  }

  /** Whether a step changes parameters again once they are updated: slow weights come after. */
  private boolean changesLater() {
    return optimizer.prepared().active().stream()
        .anyMatch(group -> group.rules().rule().slowWeights().isPresent());
  }

  /** Follows groups that were frozen, unfrozen or added. */
  private void followGroups() {
    Set<String> stepped =
        optimizer.prepared().parameters().stream().map(Parameter::name).collect(toSet());
    if (!stepped.equals(active.names())) {
      use(shards.of(stepped));
    }
  }

  /**
   * Whether this worker should compute the gradients of a micro-batch.
   *
   * @param microBatch its number in the step, from 0
   * @return true for exactly one worker; in the fast order this is only advice
   */
  public boolean isMine(long microBatch) {
    return tree == null
        ? microBatch % collective.size() == collective.rank()
        : tree.belongsTo(microBatch, collective.rank());
  }

  /**
   * Adds the current gradients to the step's, as the gradients of one micro-batch. The step uses
   * their sum; set {@link OptimizerBuilder#gradientScale} to make it a mean, which {@link
   * Optimizer#accumulate()} does by itself. Add the micro-batches of a lane in the order of their
   * numbers. Sets the gradients to zero if {@link OptimizerBuilder#zeroGradients} says so.
   *
   * @param microBatch its number in the step, from 0
   * @throws IllegalArgumentException if it belongs to another worker; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws OutOfDeviceMemoryException if there is no room for the sum of a lane
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void accumulate(long microBatch) {
    Arguments.requireAtLeast("microBatch", microBatch, 0, "number those of a step from 0");
    if (tree != null) {
      tree.requireBelongsTo(microBatch, collective.rank());
    }
    exclusively(
        "accumulate()",
        () -> {
          gradients.add(microBatch);
        });
  }

  private void exclusively(String operation, Runnable work) {
    use.enter(operation);
    try {
      checkUsable();
      work.run();
    } catch (CollectiveException e) {
      throw failure.keep(e);
    } finally {
      use.leave();
    }
  }

  /**
   * Takes a step with the gradients that all workers have accumulated; a lane without micro-batches
   * counts as zeros. If nobody has accumulated any and each worker has one lane, the current
   * gradients are used, so one micro-batch per worker needs no call to {@link #accumulate}.
   *
   * <p>If a worker's {@linkplain OptimizerBuilder#listener listener} is due, all workers measure
   * their shares for it. It receives the report before this returns, after all workers have taken
   * the step; an exception of a listener is rethrown at its worker alone, and the step has
   * happened.
   *
   * @throws CollectiveException if a worker is lost, differs or is too late; no step can follow
   * @throws StepFailedException if the device failed in this or an earlier step
   * @throws OutOfDeviceMemoryException if there is no room for the gradients' sums or to measure
   *     the update for a listener; no step can follow
   * @throws IllegalStateException as {@link Optimizer#step()}, or if nothing was accumulated where
   *     workers have several lanes; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters, the device or the collective is
   *     closed
   */
  public void step() {
    step(optimizer.options().gradientScale());
  }

  /**
   * Takes a step as {@link #step()} does, with another factor for this step's gradients than that
   * of {@link OptimizerBuilder#gradientScale}, the same at all workers.
   *
   * @param gradientScale factor applied to gradients before anything else; above 0 and a normal
   *     float32 number
   * @throws IllegalArgumentException if the factor is out of range; nothing changes
   */
  public void step(double gradientScale) {
    GradientScale.require(gradientScale);
    exclusively("step()", () -> take(gradientScale));
  }

  private void take(double gradientScale) {
    optimizer.evaluation().requireTraining("step()");
    StepAgreement own = StepAgreement.of(optimizer, gradients, gradientScale, reports.wanted());
    StepAgreement.Reached agreed = own.reach(collective);
    forOthers(
        () -> {
          gradients.reduce(collective, agreed.isInPlace());
          reports.begin(optimizer.prepared(), agreed.wanted());
        });
    try {
      optimizer.step(gradientScale);
    } catch (StepFailedException e) {
      if (e.getCause() instanceof CollectiveException cause) {
        throw cause;
      }
      collective.close(); // the others must not wait for this share
      if (e.getCause() instanceof ClosedException cause) {
        throw cause;
      }
      throw e;
    }
    forOthers(() -> reports.end(optimizer.prepared()));
    if (!optimizer.isLastStepSkipped()) {
      gathered.finish();
    }
    if (optimizer.options().zeroGradients()) {
      active.zeroGradients();
    }
    gradients.clear();
    forOthers(() -> reports.confirm(optimizer)); // nobody continues unless all have the parameters
    steps = optimizer.stepCount();
    reports.deliver();
  }

  /** Does work that the others wait for, which they must not if it fails. */
  private void forOthers(Runnable work) {
    try {
      work.run();
    } catch (CollectiveException e) {
      throw e;
    } catch (RuntimeException | Error e) {
      collective.close();
      throw e;
    }
  }

  /**
   * Records this worker's loss to include in reports from the next step on. A report has the mean
   * of the losses of the workers that have called this, added up in the order of the workers: so
   * its last bits depend on how many there are. Nothing else uses it.
   *
   * @param loss the mean over this worker's micro-batches of the next step; NaN and infinities are
   *     reported as they are
   */
  public void reportLoss(double loss) {
    reports.loss(loss);
  }

  /**
   * Puts the weights for evaluation and export into the parameters at all workers, which all call
   * this: see {@link Optimizer#eval}. Where that does nothing, nothing is exchanged.
   *
   * @throws CollectiveException if a worker is lost or is too late
   */
  public void eval() {
    exchangeWeights("eval()", optimizer::eval);
  }

  /**
   * Switches back to training at all workers, which all call this: see {@link Optimizer#train}.
   *
   * @throws CollectiveException as {@link #eval}
   */
  public void train() {
    exchangeWeights("train()", optimizer::train);
  }

  private void exchangeWeights(String operation, Runnable change) {
    exclusively(
        operation,
        () -> {
          boolean wasTraining = optimizer.isTraining();
          change.run();
          // Decided by rules, options and steps, not by the contents of a share: the same at all
          // workers.
          if (optimizer.isTraining() != wasTraining) {
            shards.gather(collective, OptionalInt.empty());
            collective.barrier();
          }
        });
  }

  /**
   * Whether the parameters hold the training weights: see {@link Optimizer#isTraining}.
   *
   * @return false between {@link #eval} and {@link #train}
   */
  public boolean isTraining() {
    return optimizer.isTraining();
  }

  /**
   * Sets every gradient to zero, but for those of frozen groups, and discards what was accumulated
   * since the last step.
   *
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void zeroGradients() {
    exclusively(
        "zeroGradients()",
        () -> {
          active.zeroGradients();
          gradients.clear();
        });
  }

  /**
   * The parameter groups, to freeze, unfreeze and add between steps. All workers do the same
   * between the same two steps; otherwise this or the next step throws {@link
   * io.warmstep.collective.WorkersDifferException} at all of them. Shares stay as they are: a
   * worker that has much of a frozen group does less, and parameters that are added are shared by
   * themselves, beginning with worker 0's values. The gradients of frozen groups are neither added
   * up nor sent. If parameters can be added at some workers and not at others, for lack of memory,
   * a {@link CollectiveException} is thrown, and no step can follow.
   *
   * @return a view of this optimizer
   */
  public OptimizerGroups groups() {
    return new OptimizerGroups(optimizer, this::changeGroups, this::add);
  }

  private void changeGroups(String operation, Runnable change) {
    exclusively(
        operation,
        () -> {
          gradients.requireNone(Optimizer.OF_OTHERS);
          optimizer.betweenSteps(operation, change);
          followGroups();
        });
  }

  private void add(Parameters more, List<ParameterGroup> groups) {
    optimizer.evaluation().requireTraining("groups().add()");
    Parameters joined = parameters.joinedBy(more);
    List<RuleGroup> resolved = optimizer.resolve(more, groups);
    collective.requireSame(
        "what is added",
        ShardedOptimizerBuilder.description(more, resolved, optimizer.options().stateStorage()));
    Shards added = new Shards(more, resolved, collective.size());
    Parameters share = added.parameters(more.device(), collective.rank());
    leaves.begin(parameters.count());
    shards.append(added); // the state of a part depends on its place
    try {
      together(
          () -> {
            added.gather(collective, OptionalInt.of(0)); // before the state has copies of them
            optimizer.add(share, groups);
          });
    } catch (RuntimeException | Error e) {
      leaves.undo();
      shards.remove(added);
      share.close();
      throw e;
    }
    shares.add(share);
    parameters = joined;
  }

  /** Does work that happens at all workers: if only some can do it, nothing can follow. */
  private void together(Runnable work) {
    RuntimeException failure = null;
    try {
      work.run();
    } catch (CollectiveException e) {
      throw e;
    } catch (RuntimeException e) {
      failure = e;
    }
    List<byte[]> done = collective.exchange(new byte[] {(byte) (failure == null ? 1 : 0)});
    List<Integer> failed = new ArrayList<>();
    for (int worker = 0; worker < done.size(); worker++) {
      if (done.get(worker)[0] == 0) {
        failed.add(worker);
      }
    }
    if (!failed.isEmpty() && failed.size() < done.size()) {
      String message = "only workers " + failed + " could not add parameters: restore a checkpoint";
      throw new CollectiveException(message, failure);
    }
    if (failure != null) {
      throw failure;
    }
  }

  /**
   * This worker's endpoint of the collective.
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
   * @return the part, which begins at a multiple of 4096 elements
   * @throws IllegalArgumentException if there is no such parameter
   */
  public Shard shard(String parameter) {
    parameters.get(parameter);
    return shards.of(parameter, collective.rank());
  }

  /**
   * This worker's share of the state of one parameter: for the elements of its {@link #shard}.
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
   * How much memory this worker's share of the state takes on its device: see {@link
   * Optimizer#stateBytes}. For rules that neither sum over tensors nor multiply matrices it is
   * about that of a single optimizer divided by the number of workers.
   *
   * @return in bytes
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public long stateBytes() {
    return optimizer.stateBytes();
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
   * How many steps were skipped because of a non-finite gradient at any worker.
   *
   * @return the same at all workers
   */
  public long skippedSteps() {
    return optimizer.skippedSteps();
  }

  /**
   * Whether the last step was skipped because of a non-finite gradient at any worker.
   *
   * @return false if it happened, and before the first
   */
  public boolean isLastStepSkipped() {
    return optimizer.isLastStepSkipped();
  }

  /**
   * Sets the learning rate for subsequent steps, if the optimizer was built with a constant one.
   * All workers must set the same rate.
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
   * Global norm of the last step's gradients, as {@link Optimizer#gradientNorm()}: for the sum over
   * all workers and the whole model.
   *
   * @return the norm, or NaN where none is computed
   */
  public double gradientNorm() {
    return optimizer.gradientNorm();
  }

  /**
   * Saves the run into a folder that all workers see: each writes its share to its own file, and
   * then worker 0 writes the file that lists them, which makes them valid. So there is always a
   * complete checkpoint, the previous one or this one. All workers call this, between steps.
   *
   * @param folder created if it does not exist; the shares of a previous checkpoint in it are
   *     removed
   * @throws IOException at all workers, if one of them cannot write; the previous checkpoint stays,
   *     and training can continue
   * @throws IllegalStateException if micro-batches were accumulated since the last step
   * @throws CollectiveException if a worker is lost or is too late
   */
  public void save(Path folder) throws IOException {
    use.enter("save()");
    try {
      checkUsable();
      gradients.requireNone("and no checkpoint has them: save right after a step");
      new ShardFiles(collective, parameters, this::shard).save(optimizer, folder);
    } finally {
      use.leave();
    }
  }

  /**
   * Resumes a saved run, of any number of workers. All workers call this.
   *
   * @param path the folder that {@link #save} was given, or a file that {@link Optimizer#save}
   *     wrote
   * @return the choices made while restoring
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if a file is damaged or not a
   *     checkpoint
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it has other parameters or
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
      followGroups();
      gradients.clear();
      shards.gather(collective, OptionalInt.empty());
      steps = optimizer.stepCount();
      return report;
    } finally {
      use.leave();
    }
  }

  private void checkUsable() {
    lifetime.checkOpen();
    failure.requireNone();
  }

  /** Frees this worker's share of the state, and nothing else. Closing twice is fine. */
  @Override
  public void close() {
    if (lifetime.end()) {
      reports.close();
      optimizer.close();
      gradients.close();
      shares.forEach(Parameters::close);
    }
  }

  @Override
  public String toString() {
    return optimizer + ", " + collective;
  }
}
