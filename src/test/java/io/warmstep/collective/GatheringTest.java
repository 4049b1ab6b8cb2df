package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.StateType;
import io.warmstep.StepFailedException;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Proxies;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What is ready is sent while the rest is not, and nothing before it is ready. */
class GatheringTest {
  private static final int OWN = 300_007; // more than two buckets

  private static float value(int element) {
    return element % 1000 + element / 1000f;
  }

  private static List<Share> shares(Tensor tensor, int size) {
    List<Share> shares = new ArrayList<>();
    for (int owner = 0; owner < size; owner++) {
      shares.add(new Share(tensor.slice((long) owner * OWN, 11), owner));
      shares.add(new Share(tensor.slice((long) owner * OWN + 11, OWN - 11), owner));
    }
    return shares;
  }

  private static void fill(Tensor tensor, int from, int to) {
    float[] values = new float[to - from];
    for (int i = 0; i < values.length; i++) {
      values[i] = value(from + i);
    }
    tensor.slice(from, to - from).copyFrom(values);
  }

  /** One of the workers has all at once. */
  @ParameterizedTest
  @EnumSource(Workers.class)
  void allIsThereInTheEnd(Workers workers) throws Exception {
    float[] expected = new float[3 * OWN];
    for (int i = 0; i < expected.length; i++) {
      expected[i] = value(i);
    }
    List<float[]> gathered =
        workers.run(
            3,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Tensor tensor = device.copyOf(new float[3 * OWN])) {
                int first = collective.rank() * OWN;
                for (int round = 0; round < 2; round++) {
                  tensor.zero();
                  collective.barrier();
                  if (collective.rank() == 1) {
                    fill(tensor, first, first + OWN);
                    collective.allGather(shares(tensor, 3));
                  } else {
                    Gathering gathering = collective.gather(shares(tensor, 3));
                    for (int done = 0; done < OWN; done += 50_000) {
                      fill(tensor, first + done, first + Math.min(OWN, done + 50_000));
                      gathering.ready(Math.min(OWN, done + 50_000));
                    }
                    gathering.finish();
                  }
                }
                return tensor.toFloats();
              }
            });
    for (float[] one : gathered) {
      assertArrayEquals(expected, one);
    }
  }

  /** Over memory nothing would be on its way meanwhile, so there all is sent at the end. */
  @Test
  void whatIsReadyArrivesBeforeTheRestIs() throws Exception {
    CountDownLatch seen = new CountDownLatch(1);
    Workers.TCP.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Tensor tensor = device.copyOf(new float[2 * OWN])) {
            Gathering gathering = collective.gather(shares(tensor, 2));
            if (collective.rank() == 0) {
              fill(tensor, 0, 200_000);
              gathering.ready(200_000);
              assertTrue(seen.await(60, TimeUnit.SECONDS));
              fill(tensor, 200_000, OWN);
            } else {
              long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
              Tensor early = tensor.slice(1, 1);
              while (early.toFloats()[0] == 0 && System.nanoTime() < deadline) {
                gathering.ready(0);
              }
              assertEquals(value(1), early.toFloats()[0]);
              seen.countDown();
              fill(tensor, OWN, 2 * OWN);
            }
            gathering.finish();
            assertEquals(value(2 * OWN - 1), tensor.toFloats()[2 * OWN - 1]);
            assertEquals(value(OWN - 1), tensor.toFloats()[OWN - 1]);
          }
          return null;
        });
  }

  @Test
  void nothingElseComesBetween() throws Exception {
    Workers.TCP.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Tensor tensor = device.copyOf(new float[2 * OWN])) {
            Gathering gathering = collective.gather(shares(tensor, 2));
            gathering.ready(0);
            String message =
                assertThrows(IllegalStateException.class, collective::barrier).getMessage();
            assertTrue(message.endsWith("before an all-gather was finished"), message);
            gathering.finish();
            collective.barrier(); // nothing has changed by that
          }
          return null;
        });
  }

  @Test
  void ofAClosedCollectiveNothingIsFinished() throws Exception {
    CountDownLatch begun = new CountDownLatch(2);
    Workers.TCP.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Tensor tensor = device.copyOf(new float[2 * OWN])) {
            Gathering gathering = collective.gather(shares(tensor, 2));
            gathering.ready(0);
            begun.countDown();
            assertTrue(begun.await(60, TimeUnit.SECONDS));
            collective.close();
            assertThrows(ClosedException.class, collective::barrier);
            assertThrows(CollectiveException.class, gathering::finish);
          }
          return null;
        });
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void isFinishedOnce(Workers workers) throws Exception {
    workers.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Tensor tensor = device.copyOf(new float[2 * OWN])) {
            Gathering gathering = collective.gather(shares(tensor, 2));
            gathering.finish();
            assertThrows(IllegalStateException.class, () -> gathering.ready(OWN));
            assertThrows(IllegalStateException.class, gathering::finish);
            collective.barrier(); // nothing has changed by that
          }
          return null;
        });
  }

  /** When a part of its share is sent already. */
  @Test
  void anUpdateThatBreaksOffEndsAllWorkers() throws Exception {
    Workers.TCP.run(
        2,
        collective -> {
          boolean breaks = collective.rank() == 0;
          AtomicInteger blocks = new AtomicInteger(breaks ? 3 : Integer.MAX_VALUE);
          List<Long> announced = new ArrayList<>();
          try (Device device = Devices.cpu(1);
              Parameters parameters = Parameters.on(device).add("w", new float[4_000_000]).build();
              ShardedOptimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(breaking(blocks))
                      .learningRate(0.1)
                      .sharded(listened(collective, announced))
                      .build()) {
            if (breaks) {
              assertThrows(StepFailedException.class, optimizer::step);
              assertEquals(1, announced.size(), "parts that were sent");
              assertThrows(ClosedException.class, collective::barrier);
            } else {
              assertThrows(WorkerLostException.class, optimizer::step);
            }
            assertEquals(0, optimizer.stepCount());
          }
          return null;
        });
  }

  /** Adam, but for the block that comes after so many. */
  private static UpdateRule breaking(AtomicInteger blocks) {
    return Proxies.of(
        UpdateRule.class,
        (proxy, method, arguments) -> {
          if (method.getName().equals("update") && blocks.getAndDecrement() == 0) {
            throw new ArithmeticException("in the middle");
          }
          return Proxies.invoke(Adam.adam(), method, arguments);
        });
  }

  @ParameterizedTest
  @EnumSource(Workers.class)
  void aWorkerThatLeavesIsMissed(Workers workers) throws Exception {
    List<Exception> failures =
        workers.failures(
            3,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Tensor tensor = device.copyOf(new float[3 * OWN])) {
                Gathering gathering = collective.gather(shares(tensor, 3));
                gathering.ready(OWN / 2);
                if (collective.rank() != 1) {
                  gathering.finish();
                }
                return null;
              }
            });
    assertInstanceOf(CollectiveException.class, failures.get(0));
    assertInstanceOf(CollectiveException.class, failures.get(2));
  }

  /** Of which steps update in several parts, in another order than that of the parameters. */
  static List<UnaryOperator<OptimizerBuilder>> forms() {
    return List.of(
        builder -> builder.rule(Adam.adamW()),
        builder ->
            builder
                .rule(Adam.adamW())
                .group(ParameterGroup.matching("p1").rule(Momentum.heavyBall(0.9)))
                .group(ParameterGroup.matching("p3").rule(Lamb.lamb()))
                .stateType(StateType.INT8)
                .lossScaler(LossScaler.dynamic(4, 2, 0.5, 1))
                .clipNorm(3));
  }

  @ParameterizedTest
  @MethodSource("forms")
  void stepsSendWhatIsUpdated(UnaryOperator<OptimizerBuilder> form) throws Exception {
    List<List<Long>> parts = train(form, 3);
    for (List<Long> one : parts) {
      assertTrue(one.size() > 3, "parts: " + one); // in three steps
      assertEquals(one.stream().sorted().toList().get(one.size() - 1), one.get(one.size() - 1));
      assertTrue(one.get(0) < one.get(one.size() - 1), "parts: " + one);
    }
  }

  /** Which are brought up after the update. */
  @Test
  void slowWeightsAreNotSentBeforeTheyAreUp() throws Exception {
    UnaryOperator<OptimizerBuilder> form =
        builder -> builder.rule(Lookahead.around(Adam.adamW()).k(2));
    for (List<Long> one : train(form, 3)) {
      assertEquals(List.of(), one);
    }
  }

  /** How far each of two workers' updates were when it was said; the bits are one optimizer's. */
  private static List<List<Long>> train(UnaryOperator<OptimizerBuilder> form, int steps)
      throws Exception {
    String expected;
    try (Device device = Devices.cpu(2);
        Parameters parameters = parameters(device);
        Optimizer optimizer = form.apply(Optimizer.of(parameters).learningRate(0.01)).build()) {
      for (int step = 0; step < steps; step++) {
        gradients(parameters, step, 0, 1);
        optimizer.step();
      }
      expected = ShardedRun.bits(parameters);
    }
    List<List<Long>> announced = List.of(new ArrayList<>(), new ArrayList<>());
    for (String bits :
        Workers.TCP.run(
            2,
            collective -> {
              try (Device device = Devices.cpu(2);
                  Parameters parameters = parameters(device);
                  ShardedOptimizer optimizer =
                      form.apply(Optimizer.of(parameters).learningRate(0.01))
                          .sharded(listened(collective, announced.get(collective.rank())))
                          .build()) {
                for (int step = 0; step < steps; step++) {
                  gradients(parameters, step, collective.rank(), collective.rank());
                  optimizer.step();
                }
                return ShardedRun.bits(parameters);
              }
            })) {
      assertEquals(expected, bits);
    }
    return announced;
  }

  private static Parameters parameters(Device device) {
    return Parameters.on(device)
        .add("p0", new float[70_000])
        .add("p1", ElementType.BFLOAT16, new float[150_001])
        .add("p2", new float[200_003])
        .add("p3", new float[40_000])
        .build();
  }

  /** Those of some workers together, whose sums are exact in every type. */
  private static void gradients(Parameters parameters, int step, int from, int to) {
    for (Parameter parameter : parameters) {
      float[] values = new float[(int) parameter.length()];
      for (int i = 0; i < values.length; i++) {
        for (int rank = from; rank <= to; rank++) {
          values[i] += (i * 7 + step * 5 + rank * 3) % 16 - 7;
        }
      }
      parameter.gradients().copyFrom(values);
    }
  }

  /** A collective that records the parts announced to its gatherings. */
  private static Collective listened(Collective collective, List<Long> announced) {
    return Proxies.of(
        Collective.class,
        (proxy, method, arguments) -> {
          Object result = Proxies.invoke(collective, method, arguments);
          return result instanceof Gathering gathering ? listened(gathering, announced) : result;
        });
  }

  private static Gathering listened(Gathering gathering, List<Long> announced) {
    return new Gathering() {
      @Override
      public void ready(long elements) {
        announced.add(elements);
        gathering.ready(elements);
      }

      @Override
      public void finish() {
        gathering.finish();
      }
    };
  }
}
