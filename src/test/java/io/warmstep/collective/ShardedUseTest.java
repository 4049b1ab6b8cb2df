package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ClosedException;
import io.warmstep.ConcurrentUseException;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.EvaluationModeException;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.ShardedOptimizerBuilder;
import io.warmstep.rule.Sgd;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** What a sharded optimizer refuses, when its steps end, and what it says of itself. */
class ShardedUseTest {
  private static final int LENGTH = 9000;

  @TempDir Path folder;

  private static Parameters parameters(Device device) {
    return Parameters.on(device).add("w", new float[LENGTH]).build();
  }

  private static OptimizerBuilder of(Parameters parameters) {
    return Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.5);
  }

  private static void gradients(Parameters parameters, float value) {
    float[] gradients = new float[LENGTH];
    Arrays.fill(gradients, value);
    parameters.get("w").gradients().copyFrom(gradients);
  }

  /** All that a training loop calls, by name. */
  private Map<String, Executable> calls(ShardedOptimizer optimizer, Parameters more) {
    Map<String, Executable> calls = new LinkedHashMap<>();
    calls.put("accumulate()", () -> optimizer.accumulate(optimizer.collective().rank()));
    calls.put("step()", optimizer::step);
    calls.put("zeroGradients()", optimizer::zeroGradients);
    calls.put("eval()", optimizer::eval);
    calls.put("train()", optimizer::train);
    calls.put("groups().freeze()", () -> optimizer.groups().freeze("*"));
    calls.put("groups().add()", () -> optimizer.groups().add(more));
    calls.put("save()", () -> optimizer.save(folder));
    calls.put("restore()", () -> optimizer.restore(folder));
    return calls;
  }

  @Test
  void nothingIsCalledFromWithinAStep() throws Exception {
    Workers.IN_PROCESS.run(
        1,
        collective -> {
          AtomicReference<ShardedOptimizer> itself = new AtomicReference<>();
          List<String> refused = new ArrayList<>();
          try (Device device = Devices.cpu(1);
              Parameters parameters = parameters(device);
              Parameters more = Parameters.on(device).add("v", new float[1]).build();
              ShardedOptimizer optimizer =
                  of(parameters)
                      .listener(
                          report ->
                              calls(itself.get(), more)
                                  .forEach(
                                      (name, call) -> {
                                        String message =
                                            assertThrows(ConcurrentUseException.class, call, name)
                                                .getMessage();
                                        assertTrue(
                                            message.startsWith(
                                                name + " was called from within step()"),
                                            message);
                                        refused.add(name);
                                      }),
                          1)
                      .sharded(collective)
                      .build()) {
            itself.set(optimizer);
            optimizer.save(folder);
            gradients(parameters, 1);
            optimizer.step();
            optimizer.step();
            assertEquals(2, optimizer.stepCount());
            assertEquals(-1, parameters.get("w").values().toFloats()[LENGTH - 1]);
            List<String> all = List.copyOf(calls(optimizer, more).keySet());
            assertEquals(all, refused.subList(0, all.size()));
            assertEquals(2 * all.size(), refused.size());
          }
          return null;
        });
  }

  @Test
  void whatIsClosedSaysSo() throws Exception {
    Workers.IN_PROCESS.run(
        1,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = parameters(device);
              Parameters more = Parameters.on(device).add("v", new float[1]).build()) {
            ShardedOptimizer optimizer = of(parameters).sharded(collective).build();
            optimizer.step();
            optimizer.save(folder);
            optimizer.close();
            optimizer.close();
            calls(optimizer, more)
                .forEach(
                    (name, call) ->
                        assertEquals(
                            "sharded optimizer is closed: close it after its last use, or make"
                                + " another one",
                            assertThrows(ClosedException.class, call, name).getMessage(),
                            name));
          }
          return null;
        });
  }

  @Test
  void nothingFollowsTheLossOfAWorker() throws Exception {
    List<Exception> failures =
        Workers.IN_PROCESS.failures(
            2,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters = parameters(device);
                  Parameters more = Parameters.on(device).add("v", new float[1]).build();
                  ShardedOptimizer optimizer = of(parameters).sharded(collective).build()) {
                if (collective.rank() == 1) {
                  return null;
                }
                assertThrows(WorkerLostException.class, optimizer::step);
                calls(optimizer, more)
                    .forEach(
                        (name, call) -> {
                          String message =
                              assertThrows(CollectiveException.class, call, name).getMessage();
                          assertTrue(message.startsWith("an earlier step failed"), message);
                        });
                return null;
              }
            });
    assertEquals(Arrays.asList(null, null), failures);
  }

  /** Before any other worker hears of it, so that their next step is the same. */
  @Test
  void wrongNumbersReachNobody() throws Exception {
    List<UnaryOperator<ShardedOptimizerBuilder>> orders =
        List.of(builder -> builder, ShardedOptimizerBuilder::fast);
    for (UnaryOperator<ShardedOptimizerBuilder> order : orders) {
      Workers.IN_PROCESS.run(
          2,
          collective -> {
            try (Device device = Devices.cpu(1);
                Parameters parameters = parameters(device);
                ShardedOptimizer optimizer =
                    order.apply(of(parameters).sharded(collective)).build()) {
              gradients(parameters, 1);
              optimizer.accumulate(collective.rank());
              if (collective.rank() == 1) {
                String number =
                    assertThrows(IllegalArgumentException.class, () -> optimizer.accumulate(-1))
                        .getMessage();
                assertTrue(number.startsWith("microBatch is -1, must be at least 0"), number);
                for (double scale : new double[] {0, -1, Double.NaN, 1e-40}) {
                  String message =
                      assertThrows(IllegalArgumentException.class, () -> optimizer.step(scale))
                          .getMessage();
                  assertTrue(message.startsWith("gradientScale is " + scale), message);
                }
              }
              optimizer.step(2);
              assertEquals(-2, parameters.get("w").values().toFloats()[LENGTH - 1]);
            }
            return null;
          });
    }
  }

  /** The others are not asked, as their weights need not be those for evaluation. */
  @Test
  void nothingIsAddedToWeightsForEvaluation() throws Exception {
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = parameters(device);
              Parameters more = Parameters.on(device).add("v", new float[1]).build();
              ShardedOptimizer optimizer =
                  of(parameters).average(0.5).sharded(collective).build()) {
            gradients(parameters, 1);
            optimizer.step();
            optimizer.eval();
            if (collective.rank() == 1) {
              String message =
                  assertThrows(EvaluationModeException.class, () -> optimizer.groups().add(more))
                      .getMessage();
              assertTrue(message.startsWith("groups().add()"), message);
            }
            optimizer.train();
            optimizer.groups().add(more);
            optimizer.step();
            assertEquals(2, optimizer.stepCount());
          }
          return null;
        });
  }

  @Test
  void gradientsAreZeroedWithWhatWasAccumulated() throws Exception {
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = parameters(device);
              ShardedOptimizer optimizer = of(parameters).sharded(collective).build()) {
            gradients(parameters, 3);
            optimizer.accumulate(collective.rank());
            optimizer.zeroGradients();
            assertArrayEquals(new float[LENGTH], parameters.get("w").gradients().toFloats());
            optimizer.step();
            assertArrayEquals(new float[LENGTH], parameters.get("w").values().toFloats());
          }
          return null;
        });
  }

  /** A worker that ends where all wait for each other, if it is said to. */
  private static final class Ending extends ForwardingCollective {
    boolean ends;

    Ending(Collective target) {
      super(target);
    }

    @Override
    public List<byte[]> exchange(byte[] message) {
      if (ends && message.length == 0) {
        close();
        throw new CollectiveException("this worker gives up", null);
      }
      return super.exchange(message);
    }
  }

  /** What is done by workers of which one ends when it has everything, but has not said so. */
  private static List<Exception> ending(Work work) throws Exception {
    return Workers.IN_PROCESS.failures(
        3,
        Workers.LIMIT,
        collective -> {
          Ending own = new Ending(collective);
          try (Device device = Devices.cpu(1);
              Parameters parameters = parameters(device);
              ShardedOptimizer optimizer = of(parameters).average(0.5).sharded(own).build()) {
            gradients(parameters, 1);
            optimizer.step();
            own.ends = own.rank() == 1;
            assertThrows(CollectiveException.class, () -> work.run(optimizer));
            assertEquals(1, optimizer.stepCount());
            return null;
          }
        });
  }

  /** What is done with an optimizer. */
  private interface Work {
    void run(ShardedOptimizer optimizer);
  }

  @Test
  void whatOneDoesNotEndIsDoneByNone() throws Exception {
    List<Exception> none = Arrays.asList(null, null, null);
    assertEquals(none, ending(ShardedOptimizer::step));
    assertEquals(none, ending(ShardedOptimizer::eval));
  }

  @Test
  void tellsWhatItsStepsUsed() throws Exception {
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = parameters(device);
              ShardedOptimizer optimizer =
                  of(parameters).clipNorm(1000).sharded(collective).build()) {
            assertSame(collective, optimizer.collective());
            assertEquals(Double.NaN, optimizer.learningRate());
            float[] gradients = new float[LENGTH];
            gradients[0] = 1;
            gradients[LENGTH - 1] = 1; // another worker's
            parameters.get("w").gradients().copyFrom(gradients);
            optimizer.step();
            assertEquals(0.5, optimizer.learningRate());
            assertEquals(Math.sqrt(8), optimizer.gradientNorm(), 1e-6);
            String text = optimizer.toString();
            assertTrue(text.startsWith("sgd of 1 parameters"), text);
            assertTrue(text.contains("at step 1"), text);
            assertTrue(text.endsWith(", worker " + collective.rank() + " of 2"), text);
          }
          return null;
        });
  }

  @Test
  void ordersThatDifferAreNamed() throws Exception {
    Map<String, UnaryOperator<ShardedOptimizerBuilder>> orders = new LinkedHashMap<>();
    orders.put("order of adding up: fast", ShardedOptimizerBuilder::fast);
    orders.put("order of adding up: 5 lanes", builder -> builder.lanes(5));
    for (Map.Entry<String, UnaryOperator<ShardedOptimizerBuilder>> one : orders.entrySet()) {
      List<Exception> failures =
          Workers.IN_PROCESS.failures(
              3,
              Workers.LIMIT,
              collective -> {
                try (Device device = Devices.cpu(1);
                    Parameters parameters = parameters(device)) {
                  ShardedOptimizerBuilder builder = of(parameters).sharded(collective);
                  return (collective.rank() == 1 ? one.getValue().apply(builder) : builder).build();
                }
              });
      for (Exception failure : failures) {
        assertInstanceOf(WorkersDifferException.class, failure);
        String message = failure.getMessage();
        assertTrue(message.contains("worker 0 has 'order of adding up: 3 lanes'"), message);
        assertTrue(message.contains("worker 1 has '" + one.getKey() + "'"), message);
      }
    }
  }
}
