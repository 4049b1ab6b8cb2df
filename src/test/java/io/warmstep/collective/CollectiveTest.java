package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Tensor;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CollectiveTest {
  /** More than a bucket, and no multiple of anything. */
  private static final int LENGTH = 100_003;

  private static float[] random(long seed, int length) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) (random.nextDouble() - 0.5) * (1 << random.nextInt(12));
    }
    return values;
  }

  /** Those that a collective makes of others need not be. */
  @Test
  void everyOperationIsForwarded() throws Exception {
    Set<String> made = Set.of("barrier", "allReduce", "broadcast", "requireSame");
    for (Method method : Collective.class.getMethods()) {
      Method own =
          ForwardingCollective.class.getMethod(method.getName(), method.getParameterTypes());
      assertEquals(
          made.contains(method.getName()) ? Collective.class : ForwardingCollective.class,
          own.getDeclaringClass(),
          method.toString());
    }
  }

  /** Cut at odd places, each part of another worker, and some that are empty. */
  private static List<Share> shares(Tensor tensor, int size) {
    List<Share> shares = new ArrayList<>();
    long[] ends = {1, 1, 7, 300, 90_000, tensor.length()};
    long from = 0;
    for (int i = 0; i < ends.length; i++) {
      shares.add(new Share(tensor.slice(from, ends[i] - from), (i + 1) % size));
      from = ends[i];
    }
    return shares;
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void addsInTheOrderOfTheLanes(Workers workers) throws Exception {
    int lanes = 8;
    float[] expected = new float[LENGTH];
    for (int i = 0; i < 8; i += 4) {
      float[] half =
          sum(
              sum(random(i, LENGTH), random(i + 1, LENGTH)),
              sum(random(i + 2, LENGTH), random(i + 3, LENGTH)));
      expected = i == 0 ? half : sum(expected, half);
    }
    for (int size : new int[] {1, 2, 3, 4, 8}) {
      LaneTree tree = new LaneTree(lanes, size);
      // Whoever is first: in an order that is another one each time.
      List<Integer> late = new ArrayList<>();
      for (int rank = 0; rank < size; rank++) {
        late.add(10 * rank);
      }
      Collections.shuffle(late);
      List<float[]> sums =
          workers.run(
              size,
              collective -> {
                int rank = collective.rank();
                float[][] own = new float[lanes][];
                for (int lane = tree.firstLane(rank); lane < tree.firstLane(rank + 1); lane++) {
                  own[lane] = random(lane, LENGTH);
                }
                tree.localAdditions(rank)
                    .forEach(pair -> own[pair.get(0)] = sum(own[pair.get(0)], own[pair.get(1)]));
                try (Device device = Devices.cpu();
                    Tensor target = device.allocate(ElementType.FLOAT32, LENGTH)) {
                  List<Tensor> nodes =
                      tree.nodes(rank).stream()
                          .map(node -> device.borrow(own[node.firstLane()]))
                          .toList();
                  List<Share> shares = shares(target, size);
                  List<LaneShare> parts = new ArrayList<>();
                  long from = 0;
                  for (Share share : shares) {
                    long at = from;
                    parts.add(
                        new LaneShare(
                            share.tensor(),
                            share.owner(),
                            nodes.stream()
                                .map(node -> node.slice(at, share.tensor().length()))
                                .toList()));
                    from += share.tensor().length();
                  }
                  Thread.sleep(late.get(rank));
                  collective.reduceScatter(tree, parts);
                  Thread.sleep(late.get((rank + 1) % size));
                  collective.allGather(shares);
                  return target.toFloats();
                }
              });
      for (float[] sum : sums) {
        assertArrayEquals(expected, sum, size + " workers, late by " + late + " ms");
      }
    }
  }

  private static float[] sum(float[] a, float[] b) {
    float[] sum = new float[a.length];
    for (int i = 0; i < a.length; i++) {
      sum[i] = a[i] + b[i];
    }
    return sum;
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void addsInEveryType(Workers workers) throws Exception {
    for (ElementType type : ElementType.values()) {
      List<double[]> sums =
          workers.run(
              3,
              collective -> {
                try (Device device = Devices.cpu();
                    Tensor tensor = device.allocate(type, 50_000)) {
                  float[] values = new float[50_000];
                  for (int i = 0; i < values.length; i++) {
                    values[i] = (i % 64 - 20) * (collective.rank() + 1);
                  }
                  tensor.copyFrom(values);
                  collective.allReduce(tensor);
                  return tensor.toDoubles();
                }
              });
      for (double[] sum : sums) {
        for (int i = 0; i < sum.length; i++) {
          assertEquals(
              type == ElementType.BFLOAT16 ? bfloat16((i % 64 - 20) * 6) : (i % 64 - 20) * 6,
              sum[i]);
        }
      }
    }
  }

  private static float bfloat16(float value) {
    int bits = Float.floatToIntBits(value);
    return Float.intBitsToFloat((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void keepsWhatBelongsToOthers(Workers workers) throws Exception {
    List<float[]> after =
        workers.run(
            2,
            collective -> {
              try (Device device = Devices.cpu();
                  Tensor tensor = device.copyOf(new float[] {1, 2, 3})) {
                collective.reduceScatter(
                    List.of(new Share(tensor.slice(0, 1), 0), new Share(tensor.slice(1, 2), 1)));
                return tensor.toFloats();
              }
            });
    assertArrayEquals(new float[] {2, 2, 3}, after.get(0));
    assertArrayEquals(new float[] {1, 4, 6}, after.get(1));
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void copiesBitForBit(Workers workers) throws Exception {
    float odd = Float.intBitsToFloat(0x7F812345); // a signalling NaN
    List<Integer> bits =
        workers.run(
            3,
            collective -> {
              float[] values = {collective.rank() == 1 ? odd : collective.rank()};
              try (Device device = Devices.cpu();
                  Tensor tensor = device.copyOf(values)) {
                collective.broadcast(tensor, 1);
                return Float.floatToRawIntBits(tensor.toFloats()[0]);
              }
            });
    assertEquals(List.of(0x7F812345, 0x7F812345, 0x7F812345), bits);
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void exchangesMessages(Workers workers) throws Exception {
    byte[] large = new byte[1_000_000];
    new SplittableRandom(5).nextBytes(large);
    List<List<byte[]>> received =
        workers.run(
            4,
            collective -> {
              int rank = collective.rank();
              collective.barrier();
              return collective.exchange(
                  rank == 2 ? large : Arrays.copyOf(new byte[] {(byte) rank}, rank));
            });
    for (List<byte[]> messages : received) {
      assertEquals(0, messages.get(0).length);
      assertArrayEquals(new byte[] {1}, messages.get(1));
      assertArrayEquals(large, messages.get(2));
      assertEquals(3, messages.get(3).length);
    }
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void namesTheLineThatDiffers(Workers workers) throws Exception {
    List<Exception> failures =
        workers.failures(
            3,
            Workers.LIMIT,
            collective -> {
              collective.requireSame("the model", "w 10\nb 2");
              collective.requireSame(
                  "the model", collective.rank() == 2 ? "w 10\nb 3" : "w 10\nb 2");
              return null;
            });
    for (Exception failure : failures) {
      assertEquals(WorkersDifferException.class, failure.getClass());
      assertEquals(
          "the model must be the same at all workers, but worker 0 has 'b 2', and worker 2 has"
              + " 'b 3'",
          failure.getMessage());
    }
  }

  @Test
  void oneWorkerNeedsNobody() {
    try (Collective alone = Collectives.alone();
        Device device = Devices.cpu();
        Tensor tensor = device.copyOf(new float[] {1, 2})) {
      alone.allReduce(tensor);
      alone.barrier();
      assertArrayEquals(new float[] {1, 2}, tensor.toFloats());
      assertEquals(1, alone.exchange(new byte[3]).size());
    }
  }

  @Test
  void checksArgumentsBeforeAnythingHappens() {
    try (Collective alone = Collectives.alone();
        Device device = Devices.cpu();
        Tensor tensor = device.copyOf(new float[] {1, 2})) {
      String owner =
          assertThrows(IllegalArgumentException.class, () -> alone.broadcast(tensor, 1))
              .getMessage();
      assertTrue(owner.startsWith("owner is 1, must be the rank of one of 1 workers"), owner);
      assertThrows(
          IllegalArgumentException.class,
          () ->
              alone.reduceScatter(
                  new LaneTree(2, 1), List.of(new LaneShare(tensor, 0, List.of()))));
      assertThrows(
          IllegalArgumentException.class, () -> alone.reduceScatter(new LaneTree(2, 2), List.of()));
      assertThrows(
          IllegalArgumentException.class,
          () -> alone.exchange(new byte[Collective.MAX_MESSAGE + 1]));
      alone.barrier(); // it is still usable
    }
    assertThrows(IllegalArgumentException.class, () -> Collectives.inProcess(0));
  }
}
