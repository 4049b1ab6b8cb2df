package io.warmstep;

import io.warmstep.check.Arguments;
import io.warmstep.check.Names;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;

/**
 * The groups of an optimizer's parameters: {@link Optimizer#groups()}, {@link
 * ShardedOptimizer#groups()}. Used by the thread that steps, between two steps.
 *
 * <pre>{@code
 * optimizer.groups().freeze("backbone.*");
 * optimizer.groups().unfreeze("backbone.*");
 * optimizer.groups().add(newLayers, ParameterGroup.matching("*.bias").weightDecay(0));
 * }</pre>
 */
public final class OptimizerGroups {
  private final Optimizer optimizer;
  private final BiConsumer<String, Runnable> betweenSteps;
  private final BiConsumer<Parameters, List<ParameterGroup>> addition;

  /**
   * Creates a view.
   *
   * @param betweenSteps runs a named change of the optimizer's groups while nobody else uses it
   * @param addition adds parameters, as such a change
   */
  OptimizerGroups(
      Optimizer optimizer,
      BiConsumer<String, Runnable> betweenSteps,
      BiConsumer<Parameters, List<ParameterGroup>> addition) {
    this.optimizer = optimizer;
    this.betweenSteps = betweenSteps;
    this.addition = addition;
  }

  /**
   * How many steps have updated a parameter: those in which its group was there and not frozen. The
   * rule's bias corrections use this count, the schedule uses {@link Optimizer#stepCount()}, and
   * this waits as that does.
   *
   * @param parameter the parameter's name
   * @return at most the number of all steps
   * @throws IllegalArgumentException if there is no such parameter
   */
  public long stepCount(String parameter) {
    return groupOf(parameter).steps();
  }

  /**
   * Excludes groups from subsequent steps, until {@link #unfreeze}. Their parameters, state,
   * gradients and step counts stay as they are; they are not part of the gradient norm, their
   * non-finite gradients do not skip a step, and their gradients are not set to zero. Freezing
   * takes about as long as building the optimizer, without allocating state.
   *
   * @param pattern the pattern of a {@link ParameterGroup} that the optimizer was given, or {@code
   *     *} for parameters in no group
   * @throws IllegalArgumentException if there is no such group
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void freeze(String pattern) {
    setFrozen("groups().freeze()", pattern, true);
  }

  /**
   * Unfreezes groups that were frozen with {@link #freeze}. They continue with their state and step
   * count.
   *
   * @param pattern as it was given to {@link #freeze}
   * @throws IllegalArgumentException if there is no such group
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, its parameters or the device is closed
   */
  public void unfreeze(String pattern) {
    setFrozen("groups().unfreeze()", pattern, false);
  }

  private void setFrozen(String operation, String pattern, boolean isFrozen) {
    Objects.requireNonNull(pattern, "pattern");
    betweenSteps.accept(operation, () -> setFrozen(pattern, isFrozen));
  }

  private void setFrozen(String pattern, boolean isFrozen) {
    List<TrainedGroup> next = new ArrayList<>();
    boolean found = false;
    boolean changes = false;
    for (TrainedGroup group : optimizer.trainedGroups()) {
      boolean matches = group.rules().pattern().equals(pattern);
      found |= matches;
      changes |= matches && group.isFrozen() != isFrozen;
      next.add(matches ? group.frozen(isFrozen) : group);
    }
    if (!found) {
      throw Arguments.refusal(
          "pattern",
          "\"" + pattern + "\"",
          "that of a group",
          "there are " + Names.abbreviated(patterns()));
    }
    if (changes) {
      optimizer.use(next);
    }
  }

  /**
   * The groups' patterns.
   *
   * @return each once, in the order in which the groups were given; {@code *} for parameters in no
   *     group
   */
  public List<String> patterns() {
    return optimizer.trainedGroups().stream()
        .map(group -> group.rules().pattern())
        .distinct()
        .toList();
  }

  /**
   * Whether steps exclude a parameter.
   *
   * @param parameter the parameter's name
   * @return true if its group is frozen
   * @throws IllegalArgumentException if there is no such parameter
   */
  public boolean isFrozen(String parameter) {
    return groupOf(parameter).isFrozen();
  }

  private TrainedGroup groupOf(String name) {
    Parameter parameter = optimizer.parameters().get(name);
    return optimizer.trainedGroups().stream()
        .filter(group -> group.has(parameter))
        .findFirst()
        .orElseThrow();
  }

  /**
   * Adds parameters between two steps, as when layers are added to a model. Existing parameters
   * keep their state; the new ones start with an initial state and their own step count.
   *
   * @param more closed by the caller after this optimizer; names that this optimizer does not have
   * @param groups as for {@link OptimizerBuilder#group}, only of the new parameters; those in no
   *     group use the optimizer's own rule
   * @throws IllegalArgumentException if a name or memory is taken, the device differs, a group
   *     matches no new parameter, or a number is beyond the range of the arithmetic; nothing
   *     changes
   * @throws OutOfDeviceMemoryException if there is not enough memory; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link Optimizer#eval}; nothing changes
   * @throws ConcurrentUseException if another thread is using this optimizer
   * @throws ClosedException if the optimizer, parameters or the device is closed
   */
  public void add(Parameters more, ParameterGroup... groups) {
    List<ParameterGroup> given = List.of(groups);
    betweenSteps.accept(
        "groups().add()",
        () -> {
          more.checkOpen();
          addition.accept(more, given);
        });
  }
}
