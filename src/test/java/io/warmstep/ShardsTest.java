package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.collective.Share;
import io.warmstep.rule.Adam;
import io.warmstep.rule.NovoGrad;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Which elements belong to which worker, against the same said in other words. */
class ShardsTest {
  private static final int LEAF = 4096;

  private static Parameters parameters(Device device, String prefix, int... lengths) {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < lengths.length; i++) {
      builder.add(prefix + i, new float[lengths[i]]);
    }
    return builder.build();
  }

  private static Shards shards(Parameters parameters, int workers, ParameterGroup... groups) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(Adam.adam()).learningRate(1);
    for (ParameterGroup group : groups) {
      builder.group(group);
    }
    try (Optimizer optimizer = builder.build()) {
      return new Shards(
          parameters,
          optimizer.trainedGroups().stream().map(TrainedGroup::rules).toList(),
          workers);
    }
  }

  /** The multiple of a unit, or the end, that is nearest to a place; the lower of two. */
  private static long nearest(long place, long unit, long length) {
    long best = 0;
    for (long cut = 0; cut < length + unit && length > 0; cut += unit) {
      long candidate = Math.min(cut, length);
      if (Math.abs(candidate - place) < Math.abs(best - place)) {
        best = candidate;
      }
    }
    return best;
  }

  /** Where a worker's share of all elements ends, rounded down. */
  private static long end(long total, int worker, int workers) {
    return BigInteger.valueOf(total)
        .multiply(BigInteger.valueOf(worker + 1))
        .divide(BigInteger.valueOf(workers))
        .longValueExact();
  }

  private static void check(int workers, List<String> whole, int... lengths) {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "p", lengths)) {
      Shards shards =
          shards(
              parameters,
              workers,
              whole.stream()
                  .map(name -> ParameterGroup.matching(name).rule(NovoGrad.novoGrad()))
                  .toArray(ParameterGroup[]::new));
      long total = parameters.length();
      long before = 0;
      for (Parameter parameter : parameters) {
        long length = parameter.length();
        long unit = whole.contains(parameter.name()) ? length : LEAF;
        long from = 0;
        for (int worker = 0; worker < workers; worker++) {
          long to = nearest(end(total, worker, workers) - before, unit, length);
          Shard shard = shards.of(parameter.name(), worker);
          String where = parameter + " of worker " + worker + " of " + workers;
          assertEquals(to - from, shard.count(), where);
          if (shard.count() > 0) {
            assertEquals(from, shard.from(), where);
          }
          from = to;
        }
        assertEquals(length, from, "the last worker has the rest");
        before += length;
      }
    }
  }

  @Test
  void eachHasTheLeavesNearestToItsShare() {
    SplittableRandom random = new SplittableRandom(3);
    for (int i = 0; i < 60; i++) {
      int[] lengths = new int[random.nextInt(1, 7)];
      for (int j = 0; j < lengths.length; j++) {
        lengths[j] =
            switch (random.nextInt(4)) {
              case 0 -> random.nextInt(20);
              case 1 -> LEAF * random.nextInt(1, 4);
              default -> random.nextInt(5 * LEAF);
            };
      }
      List<String> whole = i % 3 == 0 ? List.of("p" + random.nextInt(lengths.length)) : List.of();
      check(random.nextInt(1, 9), whole, lengths);
    }
  }

  /** Although no worker's share is a whole number of elements, or each is less than one. */
  @Test
  void theRestOfADivisionIsShared() {
    check(3, List.of(), LEAF + 1);
    check(8, List.of(), 7);
    check(8, List.of("p0"), 5, 1);
  }

  /** As a leaf's middle may, exactly. */
  @Test
  void ofTwoNearestCutsItIsTheLower() {
    check(4, List.of(), 2 * LEAF); // 2048, 4096, 6144
    check(8, List.of(), 4 * LEAF);
    check(2, List.of("p0"), 1000, 0);
    check(2, List.of(), 1000, 0);
  }

  private static List<String> owners(Shards shards, int workers) {
    List<String> owners = new ArrayList<>();
    for (Share share : shards.shares(workers, OptionalInt.empty())) {
      assertTrue(share.tensor().length() > 0, "nothing empty is sent");
      owners.add(share.owner() + ": " + share.tensor().length());
    }
    return owners;
  }

  @Test
  void onlyPartsThatAreNotEmptyAreSent() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = parameters(device, "p", LEAF, 0, 7)) {
      assertEquals(
          List.of("1: 4096", "2: 7"), owners(shards(parameters, 3), 3).stream().sorted().toList());
    }
  }

  @Test
  void whatWasAddedLastIsRemovedWithoutATrace() {
    try (Device device = Devices.cpu(1);
        Parameters first = parameters(device, "p", 3 * LEAF, 10);
        Parameters second = parameters(device, "q", 2 * LEAF);
        Parameters third = parameters(device, "r", 5 * LEAF, 1)) {
      Shards shards = shards(first, 2);
      shards.append(shards(second, 2));
      List<String> before = owners(shards, 2);
      Shards more = shards(third, 2);
      shards.append(more);
      assertEquals(before.size() + owners(more, 2).size(), owners(shards, 2).size());
      shards.remove(more);
      assertEquals(before, owners(shards, 2));
      assertEquals(3, shards.count());
      assertEquals(Set.of("p0", "p1", "q0"), shards.names());
      shards.append(more);
      assertEquals(more.of("r0", 1), shards.of("r0", 1));
      assertEquals(more.place("r0", 1), shards.place("r0", 1));
    }
  }
}
