package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Where the formulas are the same, training gives the same losses as with DJL's own optimizers.
 *
 * <p>SGD is the same; with momentum, DJL puts the rate into the buffer, which is the same while the
 * rate is constant. In Adam and AdamW DJL divides by {@code sqrt(v) + eps} where PyTorch and
 * Warmstep divide by {@code sqrt(v / (1 - beta2^t)) + eps}, and multiplies the rate by {@code
 * sqrt(1 - beta2^t)}: the same if {@code eps} is 0, or negligible against {@code sqrt(v)}, or
 * {@code beta2} is 0. Otherwise DJL's eps acts as one of {@code eps / sqrt(1 - beta2^t)}, up to 32
 * times as much in the first steps.
 */
class DjlParityTest {
  private static final int STEPS = 200;
  private static final float RATE = 0.02f;

  /** Negligible against the root of any second moment here. */
  private static final float SMALL_EPS = 1e-12f;

  private static Supplier<Optimizer> supplier(Supplier<Optimizer> supplier) {
    return supplier;
  }

  static Stream<Arguments> pairs() {
    return Stream.of(
            Arguments.of(
                "SGD",
                supplier(() -> Optimizer.sgd().setLearningRateTracker(Tracker.fixed(RATE)).build()),
                Sgd.sgd()),
            Arguments.of(
                "SGD with momentum and weight decay",
                supplier(
                    () ->
                        Optimizer.sgd()
                            .setLearningRateTracker(Tracker.fixed(RATE))
                            .optMomentum(0.9f)
                            .optWeightDecays(0.01f)
                            .build()),
                Momentum.heavyBall(0.9f).weightDecay(0.01f)),
            Arguments.of(
                "Adam",
                supplier(
                    () ->
                        Optimizer.adam()
                            .optLearningRateTracker(Tracker.fixed(RATE))
                            .optEpsilon(SMALL_EPS)
                            .build()),
                Adam.adam().betas(0.9f, 0.999f).eps(SMALL_EPS)),
            Arguments.of(
                "Adam with weight decay",
                supplier(
                    () ->
                        Optimizer.adam()
                            .optLearningRateTracker(Tracker.fixed(RATE))
                            .optWeightDecays(0.01f)
                            .optEpsilon(SMALL_EPS)
                            .build()),
                Adam.adam().betas(0.9f, 0.999f).weightDecay(0.01f).eps(SMALL_EPS)),
            Arguments.of(
                "AdamW",
                supplier(
                    () ->
                        Optimizer.adamW()
                            .optLearningRateTracker(Tracker.fixed(RATE))
                            .optEpsilon(SMALL_EPS)
                            .build()),
                Adam.adamW().betas(0.9f, 0.999f).weightDecay(0.01f).eps(SMALL_EPS)),
            Arguments.of(
                "Adam with a large eps and beta2 of 0",
                supplier(
                    () ->
                        Optimizer.adam()
                            .optLearningRateTracker(Tracker.fixed(RATE))
                            .optBeta2(0)
                            .optEpsilon(0.1f)
                            .build()),
                Adam.adam().betas(0.9f, 0).eps(0.1f)))
        .flatMap(
            each ->
                Stream.of(Mode.values())
                    .map(mode -> Arguments.of(each.get()[0], mode, each.get()[1], each.get()[2])));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("pairs")
  void lossesAreEqual(String name, Mode mode, Supplier<Optimizer> djls, UpdateRule rule) {
    WarmstepOptimizer ours = WarmstepOptimizer.of(rule).learningRate(RATE).build();
    try (Toy theirToy = new Toy(djls.get());
        Toy ourToy = new Toy(ours)) {
      double[] first = {0};
      double[] last = {0};
      mode.with(
          ourToy,
          ours,
          step -> {
            for (int i = 1; i <= STEPS; i++) {
              float expected = theirToy.backward(i % 10);
              theirToy.trainer.step();
              float actual = ourToy.backward(i % 10);
              Mode.step(ourToy, step);
              assertEquals(expected, actual, 1e-5, name + ", step " + i);
              first[0] = i == 1 ? actual : first[0];
              last[0] = actual;
            }
          });
      assertTrue(last[0] < 0.9 * first[0], "it trains: from " + first[0] + " to " + last[0]);
    }
  }

  /** Where eps lies, on one parameter with an eps as large as its gradient. */
  @Test
  void djlsEpsActsAsALargerOne() {
    double beta1 = 0.9f;
    double beta2 = 0.999f;
    double eps = 0.5;
    Optimizer djls =
        Optimizer.adam()
            .optLearningRateTracker(Tracker.fixed(RATE))
            .optEpsilon((float) eps)
            .build();
    WarmstepOptimizer ours =
        WarmstepOptimizer.of(Adam.adam().betas(beta1, beta2).eps(eps)).learningRate(RATE).build();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray theirs = manager.zeros(new Shape(1));
      NDArray mine = manager.zeros(new Shape(1));
      theirs.setRequiresGradient(true);
      double theirExpected = 0;
      double ourExpected = 0;
      double m = 0;
      double v = 0;
      for (int t = 1; t <= 20; t++) {
        double g = 1 + 0.25 * (t % 3);
        NDArray gradient = manager.create(new float[] {(float) g});
        // DJL's native code zeroes a gradient of the weight, which must be there.
        try (var collector = ai.djl.engine.Engine.getInstance().newGradientCollector()) {
          collector.backward(theirs.sum());
        }
        djls.update("w", theirs, gradient);
        ours.update("w", mine, gradient);
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        double root2 = Math.sqrt(1 - Math.pow(beta2, t));
        double rate = RATE / (1 - Math.pow(beta1, t));
        theirExpected -= rate * m / (Math.sqrt(v) / root2 + eps / root2);
        ourExpected -= rate * m / (Math.sqrt(v) / root2 + eps);
        assertEquals(theirExpected, theirs.getFloat(), 1e-5, "DJL's at step " + t);
        assertEquals(ourExpected, mine.getFloat(), 1e-5, "Warmstep's at step " + t);
      }
      assertNotEquals(theirExpected, ourExpected, 0.1);
    }
  }

  /** Rules that DJL's PyTorch engine does not have. */
  @ParameterizedTest
  @EnumSource
  void rmsPropTrains(Mode mode) {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(io.warmstep.rule.RmsProp.rmsProp()).learningRate(0.01).build();
    try (Toy toy = new Toy(optimizer)) {
      float first = toy.backward(1);
      mode.with(
          toy,
          optimizer,
          step -> {
            for (int i = 1; i <= 100; i++) {
              Mode.step(toy, step);
              toy.backward(1);
            }
          });
      float last = toy.backward(1);
      assertTrue(last < 0.1 * first, first + " to " + last);
    }
    Toy refused = new Toy(Optimizer.rmsprop().build());
    refused.backward(1);
    org.junit.jupiter.api.Assertions.assertThrows(
        UnsupportedOperationException.class, refused.trainer::step, "DJL's own");
    refused.close();
  }
}
