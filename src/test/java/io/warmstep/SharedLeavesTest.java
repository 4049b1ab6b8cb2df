package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.warmstep.collective.Workers;
import io.warmstep.step.LeafExchange.Leaves;
import io.warmstep.step.LeafExchange.Prepared;
import io.warmstep.step.LeafExchange.Run;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Leaves of all workers, of sums of any exponents. */
class SharedLeavesTest {
  private static final int WORKERS = 3;

  /** Floats and doubles of a worker's parameters, of which the last two were added later. */
  private static int leaves(int worker, int parameter, boolean isDouble) {
    return (worker + 2 * parameter + (isDouble ? 1 : 0)) % 4;
  }

  private static int sum(int worker, int from, int to, boolean isDouble) {
    int sum = 0;
    for (int parameter = from; parameter < to; parameter++) {
      sum += leaves(worker, parameter, isDouble);
    }
    return sum;
  }

  private static List<Run> runs(int worker, boolean isDouble) {
    return List.of(0, 1, 2, 3, 4).stream()
        .map(parameter -> new Run(parameter, leaves(worker, parameter, isDouble)))
        .toList();
  }

  private static void fill(Leaves leaves, int worker, int round) {
    SplittableRandom random = new SplittableRandom(10 * round + worker);
    for (int i = 0; i < leaves.floatSums().length; i++) {
      leaves.floatSums()[i] = (float) random.nextDouble();
      leaves.floatExponents()[i] = random.nextInt();
    }
    for (int i = 0; i < leaves.doubleSums().length; i++) {
      leaves.doubleSums()[i] = random.nextDouble();
      leaves.doubleExponents()[i] = random.nextInt();
    }
  }

  private static Leaves own(int worker) {
    return new Leaves(sum(worker, 0, 5, false), sum(worker, 0, 5, true));
  }

  private static Leaves filled(int worker, int round) {
    Leaves leaves = own(worker);
    fill(leaves, worker, round);
    return leaves;
  }

  /** In the order of the sets, and in each in that of the workers. */
  private static Leaves expected(int round, int... sets) {
    int floats = 0;
    int doubles = 0;
    for (int worker = 0; worker < WORKERS; worker++) {
      floats += sum(worker, 0, 5, false);
      doubles += sum(worker, 0, 5, true);
    }
    Leaves all = new Leaves(floats, doubles);
    floats = 0;
    doubles = 0;
    for (int set = 0; set + 1 < sets.length; set++) {
      for (int worker = 0; worker < WORKERS; worker++) {
        Leaves its = filled(worker, round);
        int count = sum(worker, sets[set], sets[set + 1], false);
        int from = sum(worker, 0, sets[set], false);
        System.arraycopy(its.floatSums(), from, all.floatSums(), floats, count);
        System.arraycopy(its.floatExponents(), from, all.floatExponents(), floats, count);
        floats += count;
        count = sum(worker, sets[set], sets[set + 1], true);
        from = sum(worker, 0, sets[set], true);
        System.arraycopy(its.doubleSums(), from, all.doubleSums(), doubles, count);
        System.arraycopy(its.doubleExponents(), from, all.doubleExponents(), doubles, count);
        doubles += count;
      }
    }
    return all;
  }

  private static void assertSame(Leaves expected, Leaves actual) {
    assertArrayEquals(expected.floatSums(), actual.floatSums());
    assertArrayEquals(expected.floatExponents(), actual.floatExponents());
    assertArrayEquals(expected.doubleSums(), actual.doubleSums());
    assertArrayEquals(expected.doubleExponents(), actual.doubleExponents());
  }

  @Test
  void ofANormAreInTheOrderOfTheModel() throws Exception {
    Workers.IN_PROCESS.run(
        WORKERS,
        collective -> {
          int rank = collective.rank();
          SharedLeaves leaves = new SharedLeaves(collective);
          leaves.begin(2);
          leaves.undo();
          leaves.begin(3);
          Leaves own = own(rank);
          Prepared norm = leaves.prepareNorm(own, runs(rank, false), runs(rank, true));
          for (int round = 0; round < 3; round++) {
            fill(own, rank, round);
            assertSame(expected(round, 0, 3, 5), norm.all());
          }
          return null;
        });
  }

  @Test
  void ofAGroupAreInTheOrderOfTheWorkers() throws Exception {
    Workers.IN_PROCESS.run(
        WORKERS,
        collective -> {
          SharedLeaves leaves = new SharedLeaves(collective);
          leaves.begin(3);
          Leaves own = own(collective.rank());
          Prepared group = leaves.prepare(own);
          for (int round = 0; round < 3; round++) {
            fill(own, collective.rank(), round);
            assertSame(expected(round, 0, 5), group.all());
          }
          return null;
        });
  }
}
