package io.warmstep;

import io.warmstep.collective.Collective;
import io.warmstep.collective.LaneTree;
import io.warmstep.step.StateStorage;
import java.util.List;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * Configures how workers share an optimizer; {@link #build} allocates this worker's share of its
 * state. {@link OptimizerBuilder#sharded} creates one.
 */
public final class ShardedOptimizerBuilder {
  private final OptimizerBuilder builder;
  private final Collective collective;
  private int lanes;
  private boolean isFast;

  ShardedOptimizerBuilder(OptimizerBuilder builder, Collective collective) {
    this.builder = builder;
    this.collective = collective;
    this.lanes = collective.size();
  }

  /**
   * Sets the number of {@linkplain LaneTree lanes} by which gradients are added. The bits depend on
   * it, and not on the number of workers: to keep that number free, choose the greatest number of
   * workers that a run will ever have, or a multiple of it. A worker needs memory for the gradients
   * of each of its lanes, in the arithmetic type, once it {@linkplain ShardedOptimizer#accumulate
   * accumulates} in it.
   *
   * @param lanes from the number of workers, the default, to {@link LaneTree#MAX_LANES}
   * @return this builder
   * @throws IllegalArgumentException if the number is out of range
   */
  public ShardedOptimizerBuilder lanes(int lanes) {
    this.lanes = new LaneTree(lanes, collective.size()).lanes();
    return this;
  }

  /**
   * Adds gradients in the transport's order, and sends them in their own type: for half types that
   * is half of the traffic. A worker adds all of its micro-batches to one sum. The bits then depend
   * on the number of workers.
   *
   * @return this builder
   */
  public ShardedOptimizerBuilder fast() {
    isFast = true;
    return this;
  }

  /**
   * Checks that all workers train the same model, copies the parameters of worker 0 to all, and
   * allocates this worker's share of the state. All workers call this.
   *
   * <p>A rule whose class is not public is compared only by name, since its numbers cannot be read;
   * a schedule that is a lambda, by its value for each step.
   *
   * @return the optimizer, to be closed by the caller before its parameters and the collective
   * @throws io.warmstep.collective.WorkersDifferException if parameters, rules, options or the
   *     library's versions differ between workers
   * @throws io.warmstep.collective.CollectiveException if a worker is lost or is too late
   * @throws IllegalStateException as {@link OptimizerBuilder#build}
   * @throws IllegalArgumentException as {@link OptimizerBuilder#build}
   * @throws OutOfDeviceMemoryException if there is not enough memory; nothing stays allocated
   */
  public ShardedOptimizer build() {
    builder.requireReady();
    Parameters parameters = builder.parameters();
    List<RuleGroup> groups =
        RuleGroup.resolve(
            builder.rule(),
            builder.moving(),
            builder.options().adaptiveClip(),
            builder.groups(),
            parameters);
    Shards shards = new Shards(parameters, groups, collective.size());
    GatheredUpdate gathered = new GatheredUpdate(collective, shards);
    LaneTree tree = isFast ? null : new LaneTree(lanes, collective.size());
    collective.requireSame("what is trained", description(groups));
    shards.gather(collective, OptionalInt.of(0)); // before the state has copies of them
    int rank = collective.rank();
    Parameters share = shards.parameters(parameters.device(), rank);
    SharedLeaves leaves = new SharedLeaves(collective);
    Optimizer optimizer = null;
    try {
      optimizer =
          builder.buildShare(
              share,
              leaves,
              collective.movesMeanwhile() ? gathered : null,
              part -> shards.place(part.name(), rank));
      return new ShardedOptimizer(
          collective,
          parameters,
          shards,
          share,
          optimizer,
          leaves,
          gathered,
          reports(optimizer),
          tree);
    } catch (RuntimeException | Error e) {
      if (optimizer != null) {
        optimizer.close();
      }
      share.close();
      throw e;
    }
  }

  private SharedReports reports(Optimizer optimizer) {
    List<RuleGroup> rules = optimizer.trainedGroups().stream().map(TrainedGroup::rules).toList();
    return new SharedReports(
        collective,
        optimizer.device(),
        builder.listeners(OwnClip.of(optimizer.options(), rules)),
        builder.measuresUpdates(),
        optimizer.options().zeroGradients());
  }

  /** Describes everything that must be the same at all workers, one line each. */
  private String description(List<RuleGroup> groups) {
    StringBuilder text = new StringBuilder();
    // Another version may have other numerics.
    text.append("warmstep ").append(LibraryVersion.get()).append('\n');
    text.append("order of adding up: ").append(isFast ? "fast" : lanes + " lanes").append('\n');
    text.append(description(builder.parameters(), groups, builder.options().stateStorage()));
    text.append("options: ").append(builder.options().describe()).append('\n');
    LearningRate rate = builder.learningRate();
    text.append("learning rate: ");
    text.append(rate.isConstant() ? rate.constant() : OptimizerSaver.describe(rate.schedule()));
    text.append("\nmoving: ").append(new TreeMap<>(builder.moving().described()));
    text.append("\nloss scaler: ").append(builder.scaler());
    return text.append("\nsteps so far: ").append(builder.startAfter()).append('\n').toString();
  }

  /**
   * Describes parameters and their groups.
   *
   * @param storage of the state where a group has none of its own
   */
  static String description(Parameters parameters, List<RuleGroup> groups, StateStorage storage) {
    StringBuilder text = new StringBuilder();
    for (Parameter parameter : parameters) {
      text.append("parameter \"").append(parameter.name()).append("\": ");
      text.append(parameter.values().type()).append(' ').append(parameter.shape());
      text.append(", gradients ").append(parameter.gradients().type()).append('\n');
    }
    for (RuleGroup group : groups) {
      text.append("group ").append(group.pattern()).append(": ").append(group.rule().name());
      text.append(' ').append(new TreeMap<>(OptimizerSaver.settings(group.rule())));
      text.append(", learning rate times ").append(group.learningRateFactor());
      text.append(", adaptive clip ").append(group.adaptiveClip());
      text.append(", stateType ").append(group.stateStorage().orElse(storage));
      text.append(", of ").append(group.members().stream().map(Parameter::name).toList());
      text.append('\n');
    }
    return text.toString();
  }
}
