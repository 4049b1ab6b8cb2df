package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.ReferenceNorm;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Clipping by value and by norm, alone and together, scaled or not, bit for bit. */
class ClippingTest {
  private static final double RATE = 0.1;
  private static final double SCALE = 1024;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(RuleMatrix.ofEachShape());
  }

  /** What an optimizer clips. */
  private record Clip(double norm, double value, boolean scaled) {}

  private static final List<Clip> CLIPS =
      List.of(
          new Clip(0, 0.125, false),
          new Clip(0.7, 0, false),
          new Clip(1e6, 0, false),
          new Clip(0.7, 0.0625, false),
          new Clip(0.7, 0.0625, true),
          new Clip(0, 0.125, true),
          new Clip(0.7, 0, true));

  /** All of them if the matrix is full, otherwise the next ones of each rule. */
  private static List<Clip> clips(UpdateRule rule) {
    if (RuleMatrix.IS_FULL) {
      return CLIPS;
    }
    int first = 3 * RuleMatrix.ofEachShape().indexOf(rule);
    return IntStream.range(first, first + 3).mapToObj(i -> CLIPS.get(i % CLIPS.size())).toList();
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void float32AndHalves(ContractBackend backend, UpdateRule rule) {
    for (Clip clip : clips(rule)) {
      run(backend, rule, clip, ElementType.FLOAT32, ElementType.FLOAT16, ElementType.BFLOAT16);
    }
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void float64(ContractBackend backend, UpdateRule rule) {
    for (Clip clip : clips(rule)) {
      if (backend.hasFloat64()) {
        run(backend, rule, clip, ElementType.FLOAT64);
      }
    }
  }

  private static void run(
      ContractBackend backend, UpdateRule rule, Clip clip, ElementType... types) {
    SplittableRandom random = new SplittableRandom(11);
    try (TestModel model = new TestModel(backend.shared())) {
      for (ElementType type : types) {
        int[] sizes = {5, 0, 4097, 300};
        for (int size : sizes) {
          Placement placement = size == 300 ? backend.guarded() : Placement.OWNED;
          model.add(type + "/" + size, type, placement, Numbers.ordinary(random, type, size));
        }
      }
      model.follow(rule);
      OptimizerBuilder builder = Optimizer.of(model.parameters()).rule(rule).learningRate(RATE);
      if (clip.norm > 0) {
        builder.clipNorm(clip.norm);
      }
      if (clip.value > 0) {
        builder.clipValue(clip.value);
      }
      if (clip.scaled) {
        builder.lossScaler(LossScaler.fixed(SCALE));
      }
      try (Optimizer optimizer = builder.build()) {
        for (int step = 1; step <= 2; step++) {
          step(model, optimizer, clip, step, random);
          model.check(optimizer, clip.toString());
        }
      }
    }
  }

  private static void step(
      TestModel model, Optimizer optimizer, Clip clip, int step, SplittableRandom random) {
    Map<String, double[]> gradients = new TreeMap<>();
    List<double[]> inOrder = new ArrayList<>();
    model
        .parameters()
        .forEach(
            parameter -> {
              ElementType type = parameter.values().type();
              double[] g = Numbers.ordinary(random, type, (int) parameter.length());
              gradients.put(parameter.name(), g);
              inOrder.add(g);
              model.gradients(parameter.name(), g);
            });
    ElementType arithmetic = model.parameters().iterator().next().values().type().arithmetic();
    double gradientScale = clip.scaled ? 1 / SCALE : 1;
    double norm = ReferenceNorm.of(arithmetic, inOrder) * gradientScale; // a power of two: exact
    double factor = clip.norm > 0 ? ReferenceNorm.clipFactor(arithmetic, clip.norm, norm) : 1;

    optimizer.step();

    gradients.forEach(
        (name, g) -> model.reference(name).step(step, RATE, g, gradientScale, factor, clip.value));
    boolean hasNorm = clip.norm > 0 || clip.scaled;
    assertEquals(hasNorm ? norm : Double.NaN, optimizer.gradientNorm(), clip.toString());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void clippingLeavesTheGradientsInMemory(ContractBackend backend) {
    float[] gradients = {-3, 4, 0.5f};
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[3]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .clipNorm(1)
                .clipValue(0.25)
                .build()) {
      parameters.get("p").gradients().copyFrom(gradients);
      optimizer.step();
      float[] after = parameters.get("p").gradients().toFloats();
      float[] moved = parameters.get("p").values().toFloats();
      for (int i = 0; i < 3; i++) {
        assertEquals(gradients[i], after[i]);
        assertTrue(Math.abs(moved[i]) <= 0.25f);
      }
      assertEquals(0.25f, moved[0]);
      assertEquals(-0.25f, moved[1]);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void anInfiniteNormIsMeasuredAndClipsNothing(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 1}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .clipNorm(Double.POSITIVE_INFINITY)
                .build()) {
      parameters.get("p").gradients().copyFrom(new float[] {3000, 4000});
      optimizer.step();
      assertEquals(5000, optimizer.gradientNorm());
      assertArrayEquals(new float[] {-2999, -3999}, parameters.get("p").values().toFloats());
      parameters.get("p").gradients().copyFrom(new float[] {Float.POSITIVE_INFINITY, 1});
      optimizer.step();
      assertEquals(Double.POSITIVE_INFINITY, optimizer.gradientNorm());
      assertArrayEquals(
          new float[] {Float.NEGATIVE_INFINITY, -4000}, parameters.get("p").values().toFloats());
    }
  }
}
