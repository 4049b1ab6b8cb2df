package io.warmstep.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDScope;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.Trainer;
import io.warmstep.EvaluationModeException;
import io.warmstep.Optimizer;
import io.warmstep.StepFailedException;
import io.warmstep.check.Arguments;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Updates all parameters of a model at once, where {@code trainer.step()} goes parameter by
 * parameter and copies each gradient: one pass (on a GPU one launch) reads the gradients where
 * autograd left them, clips, updates parameters and state, and sets the gradients to zero.
 *
 * <pre>{@code
 * try (ModelStep step = ModelStep.of(trainer, optimizer)) {
 *   for (Batch batch : trainer.iterateDataset(dataset)) {
 *     EasyTrain.trainBatch(trainer, batch);
 *     step.step(); // instead of trainer.step()
 *     batch.close();
 *   }
 * }
 * }</pre>
 *
 * <p>Which parameters are trained is looked at before each step, so parameters may be frozen, added
 * or set to another array between steps. A parameter that is frozen keeps its state until it is
 * trained again. One that is new starts with an empty state and, as with DJL's own optimizers,
 * shares the model's step number. A parameter that backward did not reach is updated with a
 * gradient of zero, as DJL does.
 *
 * <p>If the trainer has several devices, the gradients of all are added on the first, which is
 * updated once and copied to the others: a step is one step. Used by one thread at a time, after
 * backward and while nothing else uses the model.
 */
public final class ModelStep implements AutoCloseable {
  private final ParameterSource source;
  private final WarmstepOptimizer optimizer;
  private final StateStore store;
  private final StateStore.Holder holder = new Bound();
  private final Map<String, PtNDArray> standIns = new HashMap<>();
  private Binding binding;

  /** Where the weights to evaluate with were put. */
  private List<Replicas> evaluated = List.of();

  private long skippedSteps;
  private boolean isLastStepSkipped;
  private boolean isClosed;

  /** The states in the bound optimizer. */
  private final class Bound implements StateStore.Holder {
    @Override
    public ParameterState state(String id) {
      return binding == null ? null : binding.state(id);
    }

    @Override
    public boolean has(String id) {
      return binding != null && binding.has(id);
    }

    @Override
    public Map<String, ParameterState> states() {
      return binding == null ? Map.of() : binding.states();
    }

    @Override
    public void release() {
      Binding former = binding;
      binding = null;
      if (former != null) {
        former.close();
      }
    }
  }

  ModelStep(ParameterSource source, WarmstepOptimizer optimizer) {
    this.source = source;
    this.optimizer = optimizer;
    this.store = optimizer.store();
    source.checkOpen();
    optimizer.recipe().checkGroups(BlockParameters.named(source.block()).keySet());
    optimizer.enter(this);
  }

  /**
   * Steps the model of a trainer. Its parameters must be initialized by the first step, not now.
   *
   * @param trainer of a model on DJL's PyTorch engine
   * @param optimizer the rule, rate and options; what it remembers of these parameters goes on. It
   *     is usually the trainer's own too, but {@code trainer.step()} must not be called meanwhile
   * @return the step, to be closed by the caller before the trainer
   * @throws IllegalArgumentException if a group of the optimizer matches no parameter of the model,
   *     two groups match the same, or different parameters of the model have the same name
   * @throws IllegalStateException if another ModelStep of this optimizer is open, or the trainer is
   *     closed
   */
  public static ModelStep of(Trainer trainer, WarmstepOptimizer optimizer) {
    return new ModelStep(new TrainerParameters(trainer), optimizer);
  }

  /**
   * Updates all parameters that are trained and sets their gradients to zero.
   *
   * @throws IllegalStateException if no parameter has a gradient, because backward was not called;
   *     or a parameter's array requires none, or is another than the trainer's; or an array, the
   *     trainer or this object is closed; nothing changes
   * @throws IllegalArgumentException if a gradient is sparse, or an array is of a type that cannot
   *     be updated or not contiguous; the message names the parameter; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link #eval}; nothing changes
   * @throws StepFailedException if the device failed in this or an earlier step, until a saved
   *     state is restored
   */
  public void step() {
    takeStep(Double.NaN);
  }

  /**
   * Updates all parameters as {@link #step()} does, with another factor for this step's gradients
   * than {@code setRescaleGrad} has: where gradients are accumulated, a last and shorter window has
   * one of its own.
   *
   * @param gradientScale what gradients are multiplied by first; above 0 and a normal float32
   *     number
   * @throws IllegalArgumentException if the factor is out of range; nothing changes
   */
  public void step(double gradientScale) {
    Arguments.requireNormalFloat32(
        "gradientScale", gradientScale, "pass one over the number of batches that are summed");
    takeStep(gradientScale);
  }

  /** Takes a step, with the gradient scale of the optimizer if this is NaN. */
  private void takeStep(double gradientScale) {
    synchronized (optimizer) {
      long begin = System.nanoTime();
      checkOpen();
      store.checkUsable();
      requireTraining("step()");
      store.next(); // refused before anything changes
      List<Replicas> trained = source.trained(BlockParameters.named(source.block()));
      List<PtNDArray> opened = new ArrayList<>(trained.size());
      try {
        List<Binding.Member> members = members(trained, opened);
        checkAreGradients(members, opened);
        bind(members);
        update(trained, members, gradientScale);
      } finally {
        opened.forEach(PtNDArray::close);
      }
      source.stepped(begin);
    }
  }

  private void update(List<Replicas> trained, List<Binding.Member> members, double gradientScale) {
    failing(() -> Replicas.addUpGradients(trained, members));
    try {
      if (Double.isNaN(gradientScale)) {
        binding.optimizer().step();
      } else {
        binding.optimizer().step(gradientScale);
      }
    } catch (StepFailedException e) {
      store.failed(e);
      throw e;
    }
    isLastStepSkipped = binding.optimizer().isLastStepSkipped();
    skippedSteps += isLastStepSkipped ? 1 : 0;
    store.stepped(binding.optimizer().stepCount());
    failing(() -> Replicas.spread(trained));
    binding.markChanged();
    optimizer.hasStepped(source.trainer());
  }

  /**
   * Goes over to evaluation mode: has the model hold the weights to evaluate and export it with,
   * where a rule trains others, as Schedule-Free rules and ASGD do, or {@link
   * WarmstepOptimizerBuilder#average} keeps one. Those that are trained are kept aside until {@link
   * #train} or {@link #close} puts them back bit by bit; meanwhile steps are refused, and so is to
   * save or to restore a state. Parameters that are frozen or were never updated stay as they are.
   *
   * <pre>{@code
   * step.eval();
   * EasyTrain.evaluateDataset(trainer, validation);
   * model.save(folder, "best"); // to use it: to go on training, save after train()
   * step.train();
   * }</pre>
   *
   * <p>Does nothing in evaluation mode, or if there are no such weights.
   *
   * @throws IllegalStateException if the trainer or this object is closed, or an array is, or one
   *     requires no gradient; nothing changes
   * @throws io.warmstep.OutOfDeviceMemoryException if there is no room for the weights that are
   *     trained; nothing changes
   * @throws StepFailedException if the device failed in this or an earlier call, until a saved
   *     state is restored
   */
  public void eval() {
    synchronized (optimizer) {
      checkOpen();
      store.checkUsable();
      if (!isTraining()) {
        return;
      }
      List<Replicas> known =
          source.trained(BlockParameters.named(source.block())).stream()
              .filter(replicas -> store.has(replicas.id()))
              .toList();
      if (known.isEmpty()) {
        return;
      }
      List<PtNDArray> opened = new ArrayList<>(known.size());
      try {
        bind(members(known, opened));
        evaluated = known;
        swap(Optimizer::eval);
      } finally {
        opened.forEach(PtNDArray::close);
      }
    }
  }

  /**
   * Goes back to training: the model holds the weights again that it held before {@link #eval}.
   * What was written to them meanwhile is lost. Does nothing while training.
   *
   * @throws IllegalStateException if the trainer or this object is closed, or an array was closed
   *     or replaced since {@link #eval}, so that there is no place to put its values back: then a
   *     saved model and state must be restored
   * @throws StepFailedException if the device failed in this or an earlier call, until a saved
   *     state is restored
   */
  public void train() {
    synchronized (optimizer) {
      checkOpen();
      store.checkUsable();
      if (!isTraining()) {
        requireInPlace();
        swap(Optimizer::train);
      }
    }
  }

  /**
   * Whether the model holds the weights that are trained.
   *
   * @return false between {@link #eval} and {@link #train} if there are others to evaluate with
   */
  public boolean isTraining() {
    synchronized (optimizer) {
      return binding == null || binding.optimizer().isTraining();
    }
  }

  /** Refuses what needs the weights that are trained, unless they are lost. */
  void requireTraining(String operation) {
    if (!isTraining() && !store.hasFailed()) {
      throw new EvaluationModeException(operation);
    }
  }

  private void swap(Consumer<Optimizer> swap) {
    boolean wasTraining = isTraining();
    try {
      swap.accept(binding.optimizer());
    } catch (StepFailedException e) {
      store.failed(e);
      throw e;
    }
    if (isTraining() != wasTraining) {
      failing(() -> Replicas.spread(evaluated));
      binding.markChanged();
    }
  }

  /** Checks that what is kept aside can be put back. */
  private void requireInPlace() {
    Binding.Member moved = binding.moved();
    if (moved != null) {
      IllegalStateException lost =
          new IllegalStateException(
              "values of \""
                  + moved.name()
                  + "\" were closed or replaced in evaluation mode, so those that are trained cannot"
                  + " be put back: restore a saved model and state, and call train() before arrays"
                  + " are replaced");
      store.failed(lost);
      throw lost;
    }
  }

  /** Does work that cannot be taken back. */
  private void failing(Runnable work) {
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      store.failed(e);
      throw e;
    }
  }

  /** The parameters and their gradients, whose handles are for this step only. */
  private List<Binding.Member> members(List<Replicas> trained, List<PtNDArray> opened) {
    List<Binding.Member> members = new ArrayList<>(trained.size());
    Set<Long> addresses = new HashSet<>();
    Set<Long> handles = new HashSet<>();
    for (Replicas replicas : trained) {
      for (int i = 1; i < replicas.arrays().length; i++) {
        replicas.array(i); // refused before anything changes
      }
      PtNDArray values = replicas.array(0);
      if (!handles.add(values.getHandle())) {
        continue; // an array that two parameters share is updated once
      }
      if (!values.hasGradient()) {
        throw new IllegalStateException(
            "values of \""
                + replicas.name()
                + "\" do not require a gradient: freeze the parameter if it is not to be trained");
      }
      PtNDArray gradients = JniUtils.getGradient(values);
      if (gradients == null) {
        gradients = standIn(replicas.id(), values);
      } else {
        opened.add(gradients);
      }
      TorchArrays.usable("gradients of \"" + replicas.name() + "\"", gradients);
      Binding.Member member = Binding.Member.of(replicas.id(), replicas.name(), values, gradients);
      if (member.gradsAt() != 0 && !addresses.add(member.gradsAt())) {
        // Autograd gives parameters that enter a sum alike one gradient together.
        PtNDArray copy = standIn(replicas.id(), values);
        TorchArrays.copy(gradients, copy);
        member = Binding.Member.of(replicas.id(), replicas.name(), values, copy);
      }
      members.add(member);
    }
    return members;
  }

  private void checkAreGradients(List<Binding.Member> members, List<PtNDArray> opened) {
    if (members.isEmpty()) {
      throw new IllegalStateException("the model has no parameter that is trained: all are frozen");
    }
    // As DJL's trainer does, at its first step alone: all zeros are what a step before has left.
    if (opened.isEmpty()
        || (!optimizer.isStepping(source.trainer())
            && opened.stream().noneMatch(TorchArrays::hasNonzero))) {
      throw new IllegalStateException(
          "no parameter has a gradient: call backward on the loss before step()");
    }
  }

  /** Zeros for a parameter that backward did not reach. */
  private PtNDArray standIn(String id, PtNDArray values) {
    PtNDArray zeros = standIns.get(id);
    if (zeros == null
        || zeros.isReleased()
        || zeros.getDataType() != values.getDataType()
        || !zeros.getShape().equals(values.getShape())) {
      if (zeros != null) {
        zeros.close();
      }
      zeros = (PtNDArray) values.zerosLike();
      NDScope.unregister(zeros);
      zeros.detach();
      standIns.put(id, zeros);
    }
    return zeros;
  }

  private void bind(List<Binding.Member> members) {
    Device on = members.get(0).values().getDevice();
    for (Binding.Member member : members) {
      if (!member.values().getDevice().equals(on)) {
        throw new IllegalArgumentException(
            "values of \""
                + member.name()
                + "\" are on "
                + member.values().getDevice()
                + ", must be on "
                + on
                + " like the others");
      }
    }
    io.warmstep.Device device = TrainingDevices.shared().of(on);
    if (binding == null || !store.isHeldBy(holder) || !binding.fits(device, members)) {
      store.detach();
      binding =
          new Binding(optimizer.recipe(), device, members, store.detached(), store.steps(), true);
      store.passTo(holder);
      members.forEach(member -> store.detached().remove(member.id()));
    }
  }

  /**
   * How many steps have been taken, those before a saved state was restored included.
   *
   * @return 0 before the first, unless the optimizer began with another number
   */
  public long stepCount() {
    return store.steps();
  }

  /**
   * How many steps were skipped for a gradient that is not finite.
   *
   * @return 0 unless the optimizer has {@code skipNonFinite} or a loss scaler
   */
  public long skippedSteps() {
    return skippedSteps;
  }

  /**
   * Whether the last step was skipped for a gradient that is not finite.
   *
   * @return false if it happened, and before the first
   */
  public boolean isLastStepSkipped() {
    return isLastStepSkipped;
  }

  /**
   * The rate that the last step used, before the groups' factors.
   *
   * @return the rate, or NaN before the first step
   */
  public double learningRate() {
    return binding == null ? Double.NaN : binding.optimizer().learningRate();
  }

  /**
   * Global norm of the last step's gradients, after the rescaling and before clipping.
   *
   * @return the norm, or NaN before the first step or if the optimizer does not clip by norm
   */
  public double gradientNorm() {
    return binding == null ? Double.NaN : binding.optimizer().gradientNorm();
  }

  /**
   * A copy of what is remembered of a parameter: see {@link WarmstepOptimizer#state}.
   *
   * @param parameter its name in the model's block, such as {@code 01Linear_weight}
   * @param slot PyTorch's name of the state, such as {@code exp_avg}
   * @return the elements in row-major order
   * @throws IllegalArgumentException if there is no such parameter, or it has no such state
   */
  public double[] state(String parameter, String slot) {
    return optimizer.state(source.block(), parameter, slot);
  }

  /**
   * Saves what is remembered of the model's parameters: see {@link WarmstepOptimizer#save}. The
   * parameters themselves are saved by {@code model.save}.
   *
   * @param path the file, replaced if it exists
   * @throws IllegalStateException if no parameter has been updated
   * @throws StepFailedException if a step failed; nothing is written
   * @throws IOException if it cannot be written; a file that was there stays
   */
  public void save(Path path) throws IOException {
    optimizer.save(path, source.block());
  }

  /**
   * Goes on from a saved state: see {@link WarmstepOptimizer#restore}.
   *
   * @param path the file
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if the file is damaged or no saved
   *     state; nothing changes
   * @throws IllegalArgumentException if it is of another model or rule; nothing changes
   * @throws IllegalStateException if a parameter is not initialized; nothing changes
   * @throws IOException if it cannot be read; nothing changes
   */
  public void restore(Path path) throws IOException {
    optimizer.restore(path, source.block());
  }

  /**
   * Stops stepping; what is remembered stays in the optimizer. In evaluation mode the weights that
   * are trained are put back first. Closing twice is fine.
   */
  @Override
  public void close() {
    synchronized (optimizer) {
      if (isClosed) {
        return;
      }
      isClosed = true;
      try {
        endEvaluation();
      } finally {
        letGo();
      }
    }
  }

  private void letGo() {
    try {
      if (store.isHeldBy(holder)) {
        store.detach();
      }
    } finally {
      standIns.values().forEach(PtNDArray::close);
      optimizer.leave(this);
    }
  }

  /** If the weights that are trained cannot be put back, steps are refused from now on. */
  private void endEvaluation() {
    if (!isTraining() && !store.hasFailed()) {
      try {
        requireInPlace();
        swap(Optimizer::train);
      } catch (IllegalStateException e) {
        // the next step, or saving, reports it
      }
    }
  }

  @Override
  public String toString() {
    synchronized (optimizer) {
      return "ModelStep of " + optimizer + (isClosed ? " (closed)" : "");
    }
  }

  private void checkOpen() {
    if (isClosed) {
      throw new IllegalStateException("this ModelStep is closed, so no step can be taken");
    }
    source.checkOpen();
  }
}
