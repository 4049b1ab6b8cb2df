package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Optimizers of several threads on one device have the bits of each by itself. */
class ConcurrentOptimizersTest {
  private static final int OPTIMIZERS = 16;
  private static final int STEPS = 30;

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  @Timeout(60)
  void doNotDisturbEachOther(ContractBackend backend)
      throws InterruptedException, ExecutionException {
    ExecutorService threads = Executors.newFixedThreadPool(OPTIMIZERS);
    try (Device shared = backend.open()) {
      List<Future<float[]>> results = new ArrayList<>();
      for (int i = 0; i < OPTIMIZERS; i++) {
        int seed = i;
        results.add(threads.submit(() -> train(shared, seed)));
      }
      for (int i = 0; i < OPTIMIZERS; i++) {
        try (Device own = backend.open()) {
          assertArrayEquals(train(own, i), results.get(i).get(), "seed " + i);
        }
      }
    } finally {
      threads.shutdownNow();
    }
  }

  private static float[] train(Device device, int seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int length = 30_000 + 8_000 * seed;
    try (Parameters parameters =
            Parameters.on(device).add("p", ElementType.FLOAT32, length).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.01).clipNorm(1).build()) {
      parameters
          .get("p")
          .gradients()
          .copyFrom(Numbers.ordinary(random, ElementType.FLOAT32, length));
      for (int step = 0; step < STEPS; step++) {
        optimizer.step();
      }
      return parameters.get("p").values().toFloats();
    }
  }
}
