package io.warmstep.contract;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.TestModel;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A thousand small tensors of mixed element types and placements in several groups. */
class ManyTensorsTest {
  private static final int TENSORS = 1000;
  private static final long SEED = 20260101;
  private static final double RATE = 0.02;
  private static final Adam BASE = Adam.adam().weightDecay(0.05);

  private static final Adam AMSGRAD = BASE.amsgrad(true).betas(0.8, 0.9);

  /** Group of a parameter. */
  private enum Kind {
    WEIGHT,
    BIAS,
    FROZEN,
    AMSGRAD;

    double factor() {
      return switch (this) {
        case WEIGHT -> 1;
        case BIAS -> 2;
        case FROZEN -> 0;
        case AMSGRAD -> 0.5;
      };
    }

    Adam rule() {
      return switch (this) {
        case WEIGHT, FROZEN -> BASE;
        case BIAS -> BASE.weightDecay(0);
        case AMSGRAD -> ManyTensorsTest.AMSGRAD;
      };
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void eachHasTheBitsOfItsReference(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(SEED);
    try (Device device = backend.open();
        TestModel model = new TestModel(device)) {
      addTensors(backend, model, random);
      try (Optimizer optimizer =
          Optimizer.of(model.parameters())
              .rule(BASE)
              .learningRate(RATE)
              .group(ParameterGroup.matching("*.bias").weightDecay(0).learningRateFactor(2))
              .group(ParameterGroup.matching("*.frozen").learningRateFactor(0))
              .group(ParameterGroup.matching("*.amsgrad").rule(AMSGRAD).learningRateFactor(0.5))
              .build()) {
        for (int step = 1; step <= 3; step++) {
          step(model, random, optimizer, step);
          model.check(optimizer, "seed " + SEED);
        }
      }
    }
  }

  private static void addTensors(
      ContractBackend backend, TestModel model, SplittableRandom random) {
    List<ElementType> types = backend.types();
    List<Placement> placements = backend.placements();
    for (int i = 0; i < TENSORS; i++) {
      ElementType type = types.get(random.nextInt(types.size()));
      // Half of them owned and mostly of one group, so that long runs of neighbours occur.
      Placement placement =
          random.nextBoolean()
              ? Placement.OWNED
              : placements.get(random.nextInt(placements.size()));
      double[] values = Numbers.ordinary(random, type, random.nextInt(301));
      model.add(name(i), type, placement, values);
    }
    for (int i = 0; i < TENSORS; i++) {
      model.follow(name(i), kind(i).rule());
    }
  }

  private static Kind kind(int tensor) {
    int draw = new SplittableRandom(tensor).nextInt(10);
    return draw < Kind.values().length ? Kind.values()[draw] : Kind.WEIGHT;
  }

  private static String name(int tensor) {
    return tensor + "." + kind(tensor).name().toLowerCase(Locale.ROOT);
  }

  private static void step(
      TestModel model, SplittableRandom random, Optimizer optimizer, int step) {
    for (int i = 0; i < TENSORS; i++) {
      ElementType type = model.parameters().get(name(i)).values().type();
      int length = (int) model.parameters().get(name(i)).length();
      double[] gradients = Numbers.ordinary(random, type, length);
      model.gradients(name(i), gradients);
      model.reference(name(i)).step(step, RATE * kind(i).factor(), gradients);
    }
    optimizer.step();
  }
}
