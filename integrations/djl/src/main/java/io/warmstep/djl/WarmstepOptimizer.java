package io.warmstep.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.optimizer.Optimizer;
import io.warmstep.check.Names;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Warmstep's update rules as an optimizer of DJL, for arrays of its PyTorch engine. It updates
 * DJL's own memory in place.
 *
 * <pre>{@code
 * new DefaultTrainingConfig(loss)
 *     .optOptimizer(WarmstepOptimizer.of(Adam.adamW()).learningRate(1e-3).build());
 * }</pre>
 *
 * <p>{@code trainer.step()} then updates parameter by parameter, with a copy of each gradient that
 * DJL makes; {@link ModelStep} updates the whole model at once, which is faster and lets gradients
 * be clipped by their global norm.
 *
 * <p>As with DJL's own optimizers, an instance that is given to a second trainer of the same model
 * goes on with what it remembers, and a new one starts afresh. A step counts once, however many
 * devices the trainer has. Nothing needs to be closed.
 */
public final class WarmstepOptimizer extends Optimizer {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Recipe recipe;
  private final Block names;
  private final Map<String, String> nameOf = new HashMap<>();
  private final StateStore store;
  private final ParameterSteps parameterSteps;
  private ModelStep modelStep;
  private WeakReference<Object> trainer = new WeakReference<>(null);

  WarmstepOptimizer(WarmstepOptimizerBuilder builder) {
    super(builder);
    recipe = builder.recipe(rescaleGrad, clipGrad, builder.hasWeightDecay() ? getWeightDecay() : 0);
    names = builder.names();
    store = new StateStore(builder.begin());
    parameterSteps = new ParameterSteps(recipe, store, builder.deviceOf());
    CLEANER.register(this, parameterSteps.cleanup());
  }

  /**
   * Starts an optimizer.
   *
   * @param rule such as {@code Adam.adamW()}
   * @return a builder
   */
  public static WarmstepOptimizerBuilder of(UpdateRule rule) {
    return new WarmstepOptimizerBuilder(rule);
  }

  /**
   * Updates one parameter and sets its gradient to zero, as DJL's trainer asks for.
   *
   * @param parameterId DJL's id of the parameter
   * @param weight updated in place: float32, float64 or float16, contiguous
   * @param grad of the same shape; only read
   * @throws IllegalArgumentException if an array is of another engine, sparse, of another type, or
   *     the weight is not contiguous; the message has the parameter's name, or its id if {@link
   *     WarmstepOptimizerBuilder#names} was not called; nothing changes
   * @throws IllegalStateException if an array is closed; or gradients are to be clipped by their
   *     global norm, also by a rule such as LAMB, or checked, or added up over a group, as by
   *     Prodigy, which needs all of them at once; or state is to be rounded at random; or a {@link
   *     ModelStep} of this optimizer is open; nothing changes
   * @throws io.warmstep.StepFailedException if the device failed in this or an earlier step, until
   *     a saved state is restored
   */
  @Override
  public synchronized void update(String parameterId, NDArray weight, NDArray grad) {
    if (modelStep != null) {
      throw new IllegalStateException(
          "a ModelStep of this optimizer is open: call its step() instead of trainer.step()");
    }
    recipe
        .needsAll()
        .ifPresent(
            why -> {
              throw new IllegalStateException(
                  why + ": call step() of a ModelStep instead of trainer.step()");
            });
    parameterSteps.update(parameterId, name(parameterId), weight, grad);
  }

  private String name(String id) {
    if (names == null) {
      if (!recipe.groups().isEmpty()) {
        throw new IllegalStateException(
            "groups go by parameter names, which DJL's trainer does not give: call"
                + " names(model.getBlock()) on the builder, or use a ModelStep");
      }
      return id;
    }
    if (!nameOf.containsKey(id)) {
      Map<String, Parameter> named = BlockParameters.named(names);
      recipe.checkGroups(named.keySet());
      nameOf.clear();
      named.forEach((name, parameter) -> nameOf.put(parameter.getId(), name));
      if (!nameOf.containsKey(id)) {
        throw new IllegalStateException(
            "parameter " + id + " is not one of the block that names(...) was given");
      }
    }
    return nameOf.get(id);
  }

  /**
   * How many steps have been taken, those before a saved state was restored included.
   *
   * @return 0 before the first, unless {@code optBeginNumUpdate} said otherwise
   */
  public synchronized long stepCount() {
    return store.steps();
  }

  /**
   * A copy of what is remembered of a parameter.
   *
   * @param block the model's, whose names go
   * @param parameter its name in the block, such as {@code 01Linear_weight}
   * @param slot PyTorch's name of the state, such as {@code exp_avg}
   * @return the elements in row-major order
   * @throws IllegalArgumentException if there is no such parameter, or it has no such state; or
   *     different parameters of the block have the same name
   */
  public synchronized double[] state(Block block, String parameter, String slot) {
    Map<String, Parameter> named = BlockParameters.named(block);
    if (!named.containsKey(parameter)) {
      throw new IllegalArgumentException(
          "there is no parameter \""
              + parameter
              + "\": there are "
              + Names.abbreviated(named.keySet()));
    }
    ParameterState state = store.get(named.get(parameter).getId());
    if (state == null || !state.slots().containsKey(slot)) {
      throw new IllegalArgumentException(
          "parameter \""
              + parameter
              + "\" has no state \""
              + slot
              + "\": "
              + (state == null ? "it was never updated" : "it has " + state.slots().keySet()));
    }
    Object values = state.slots().get(slot);
    if (values instanceof double[] doubles) {
      return doubles.clone();
    }
    float[] floats = (float[]) values;
    double[] copy = new double[floats.length];
    for (int i = 0; i < copy.length; i++) {
      copy[i] = floats[i];
    }
    return copy;
  }

  /**
   * Saves what is remembered of a block's parameters, by their names there, in the safetensors
   * format: for each parameter {@code state.<name>.step} (I64) and its state, such as {@code
   * state.<name>.exp_avg} (flat, row-major; F32, or F64 for float64 parameters). The metadata lists
   * the parameters that have no state, as {@code untrained}, and has a checksum of the whole file,
   * {@code crc32c}. The parameters themselves are saved by {@code model.save}.
   *
   * @param path the file, replaced if it exists; it is written beside and renamed when whole
   * @param block the model's
   * @throws IllegalArgumentException if different parameters of the block have the same name
   * @throws IllegalStateException if no parameter of the block has been updated
   * @throws io.warmstep.StepFailedException if a step failed; nothing is written
   * @throws io.warmstep.EvaluationModeException while a {@link ModelStep} evaluates; nothing is
   *     written
   * @throws IOException if the file cannot be written; one that was there stays
   */
  public synchronized void save(Path path, Block block) throws IOException {
    store.checkUsable();
    requireTraining("save()");
    StateFile.write(path, recipe, block, store.all());
  }

  /**
   * Goes on from a saved state: replaces all that is remembered, the number of steps included, and
   * what a failed step left.
   *
   * @param path the file
   * @param block the model's, initialized; each parameter that is trained must be in the file,
   *     unless it had no state when that was saved: then it starts with an empty one
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if the file is damaged or no saved
   *     state; nothing changes
   * @throws IllegalArgumentException if it is of another model or rule, or different parameters of
   *     the block have the same name; nothing changes
   * @throws IllegalStateException if a parameter is not initialized; nothing changes
   * @throws io.warmstep.EvaluationModeException while a {@link ModelStep} evaluates; nothing
   *     changes
   * @throws IOException if it cannot be read; nothing changes
   */
  public synchronized void restore(Path path, Block block) throws IOException {
    requireTraining("restore()");
    store.replace(StateFile.read(path, recipe, block));
  }

  private void requireTraining(String operation) {
    if (modelStep != null) {
      modelStep.requireTraining(operation);
    }
  }

  Recipe recipe() {
    return recipe;
  }

  StateStore store() {
    return store;
  }

  synchronized void enter(ModelStep step) {
    if (modelStep != null) {
      throw new IllegalStateException(
          "another ModelStep of this optimizer is open: close it first, or use one optimizer for"
              + " each model");
    }
    modelStep = step;
  }

  synchronized void leave(ModelStep step) {
    if (modelStep == step) {
      modelStep = null;
    }
  }

  /** Notes that a ModelStep of a trainer has taken a step. */
  void hasStepped(Object of) {
    if (!isStepping(of)) {
      trainer = new WeakReference<>(of);
    }
  }

  /** Whether the last step of a ModelStep was of this trainer. */
  boolean isStepping(Object candidate) {
    return trainer.refersTo(candidate);
  }

  @Override
  public String toString() {
    return recipe.rule().name() + " at step " + stepCount() + ", " + recipe.schedule();
  }
}
