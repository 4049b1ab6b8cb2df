package io.warmstep;

import io.warmstep.backend.StepPlan;
import io.warmstep.collective.Collective;
import io.warmstep.collective.Share;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The elements that each worker updates. All elements are taken in the order of the parameters, and
 * each worker has a run of them, all of about the same length; parameters that are added later are
 * shared likewise, by themselves, so that no state moves. They are cut between leaves of 4096
 * elements, counted from each parameter's first, so that a leaf of the norm belongs to one worker;
 * a parameter whose rule or clipping sums over the tensor is not cut at all.
 */
final class Shards {
  private final List<Parameter> parameters = new ArrayList<>();
  private final Map<String, Integer> byName = new HashMap<>();

  /** By parameter and worker. */
  private final List<List<Shard>> shards = new ArrayList<>();

  /** The parameters in the order in which a step updates them, by group. */
  private final List<Parameter> updated = new ArrayList<>();

  private Shards() {}

  Shards(Parameters parameters, List<RuleGroup> groups, int workers) {
    IdentityHashMap<Parameter, RuleGroup> groupOf = new IdentityHashMap<>();
    for (RuleGroup group : groups) {
      group.members().forEach(member -> groupOf.put(member, group));
      updated.addAll(group.members());
    }
    long total = parameters.length();
    long done = 0;
    for (Parameter parameter : parameters) {
      long unit = isElementwise(groupOf.get(parameter)) ? StepPlan.LEAF : parameter.length();
      List<Shard> own = new ArrayList<>();
      long from = 0;
      for (int worker = 0; worker < workers; worker++) {
        long end = cut(share(total, worker + 1, workers) - done, unit, parameter.length());
        own.add(new Shard(from, Math.max(0, end - from)));
        from = Math.max(from, end);
      }
      done += parameter.length();
      byName.put(parameter.name(), byName.size());
      this.parameters.add(parameter);
      shards.add(own);
    }
  }

  /** Adds the parts of parameters that come after all of these. */
  void append(Shards more) {
    for (Parameter parameter : more.parameters) {
      byName.put(parameter.name(), byName.size());
    }
    parameters.addAll(more.parameters);
    shards.addAll(more.shards);
    updated.addAll(more.updated);
  }

  /** Undoes the last {@link #append}. */
  void remove(Shards more) {
    byName.keySet().removeAll(more.byName.keySet());
    int left = parameters.size() - more.count();
    parameters.subList(left, parameters.size()).clear();
    shards.subList(left, shards.size()).clear();
    updated.subList(left, updated.size()).clear();
  }

  /** Where a worker's part of a parameter lies in the whole. */
  Place place(String name, int worker) {
    Shard own = of(name, worker);
    long whole = parameters.get(byName.get(name)).length();
    return new Place(own.count() == 0 ? 0 : own.from(), whole);
  }

  /** The same parts of fewer parameters. */
  Shards of(Set<String> names) {
    Shards fewer = new Shards();
    for (int i = 0; i < count(); i++) {
      String name = parameters.get(i).name();
      if (names.contains(name)) {
        fewer.byName.put(name, fewer.count());
        fewer.parameters.add(parameters.get(i));
        fewer.shards.add(shards.get(i));
      }
    }
    updated.stream().filter(one -> names.contains(one.name())).forEach(fewer.updated::add);
    return fewer;
  }

  /** Whether a parameter of a group can be cut. */
  private static boolean isElementwise(RuleGroup group) {
    UpdateRule rule = group.rule();
    return !group.adaptiveClip().isUsed()
        && rule.sums().isEmpty()
        && rule.matrix().isEmpty()
        && rule.minDimensions() == 0;
  }

  /** {@code total * part / parts}, whose product may overflow. */
  private static long share(long total, int part, int parts) {
    return total / parts * part + total % parts * part / parts;
  }

  /** The unit boundary nearest to a place, within a parameter. */
  private static long cut(long place, long unit, long length) {
    if (place <= 0 || length == 0) {
      return 0;
    }
    if (place >= length) {
      return length;
    }
    long below = place / unit * unit;
    long above = Math.min(length, below + unit);
    return place - below <= above - place ? below : above;
  }

  int count() {
    return parameters.size();
  }

  Parameter parameter(int index) {
    return parameters.get(index);
  }

  List<Parameter> parameters() {
    return parameters;
  }

  Shard of(String parameter, int worker) {
    return shards.get(byName.get(parameter)).get(worker);
  }

  Shard of(int index, int worker) {
    return shards.get(index).get(worker);
  }

  Set<String> names() {
    return Set.copyOf(byName.keySet());
  }

  /** Sets all gradients to zero, not only those of one worker's parts. */
  void zeroGradients() {
    parameters.forEach(parameter -> parameter.gradients().zero());
  }

  /**
   * Copies parameters to all workers.
   *
   * @param owner their owner, or empty for each worker's share
   */
  void gather(Collective collective, OptionalInt owner) {
    collective.allGather(shares(collective.size(), owner));
  }

  /** All parts of the parameters with their owners, each worker's in the order of its updates. */
  List<Share> shares(int workers, OptionalInt owner) {
    List<Share> shares = new ArrayList<>();
    for (Parameter parameter : updated) {
      for (int worker = 0; worker < workers; worker++) {
        Shard shard = of(parameter.name(), worker);
        if (shard.count() > 0) {
          Tensor part = parameter.values().slice(shard.from(), shard.count());
          shares.add(new Share(part, owner.orElse(worker)));
        }
      }
    }
    return shares;
  }

  /** One worker's parts as parameters of the same names; empty where it has no part. */
  Parameters parameters(Device device, int worker) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < count(); i++) {
      Parameter parameter = parameters.get(i);
      Shard shard = of(i, worker);
      builder.borrow(
          parameter.name(),
          parameter.values().slice(shard.from(), shard.count()),
          parameter.gradients().slice(shard.from(), shard.count()));
      if (shard.count() == parameter.length() || shard.count() == 0) {
        builder.shape(parameter.name(), shape(parameter, shard.count()));
      }
    }
    return builder.build();
  }

  /** The shape of a whole parameter, or of an empty one with as many dimensions. */
  private static long[] shape(Parameter parameter, long count) {
    return count == parameter.length()
        ? parameter.shape().stream().mapToLong(Long::longValue).toArray()
        : new long[parameter.shape().size()];
  }
}
