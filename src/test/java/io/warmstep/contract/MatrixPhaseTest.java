package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Muon;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.TestModel;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rules that iterate on whole matrices, at the edges of tiles, panels and batches. */
class MatrixPhaseTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";
  private static final double RATE = 0.0123;

  /** Around the tiles of every backend; wide, tall, square, equal ones, and of three dimensions. */
  private static final List<long[]> SHAPES =
      List.of(
          new long[] {1, 1},
          new long[] {1, 70},
          new long[] {70, 1},
          new long[] {2, 3},
          new long[] {3, 2},
          new long[] {7, 3, 5},
          new long[] {63, 65},
          new long[] {64, 64},
          new long[] {129, 33},
          new long[] {2, 3},
          new long[] {130, 131},
          new long[] {0, 4},
          new long[] {5, 1100},
          new long[] {2, 3});

  private static int length(long[] shape) {
    long length = 1;
    for (long side : shape) {
      length *= side;
    }
    return (int) length;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void shapesOfAllKinds(ContractBackend backend) {
    for (UpdateRule rule :
        List.of(Muon.muon(), Muon.muon().nesterov(false).newtonSchulz(2, -1.5, 0.5, 2))) {
      for (ElementType type : backend.types()) {
        SplittableRandom random = new SplittableRandom(3);
        try (TestModel model = new TestModel(backend.shared())) {
          for (int i = 0; i < SHAPES.size(); i++) {
            double[] values = Numbers.ordinary(random, type, length(SHAPES.get(i)));
            model.add("p" + i, type, i % 4 == 1 ? backend.guarded() : Placement.OWNED, values);
            model.shape("p" + i, SHAPES.get(i));
          }
          model.follow(rule);
          try (Optimizer optimizer =
              Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
            for (int step = 1; step <= 2; step++) {
              for (int i = 0; i < SHAPES.size(); i++) {
                double[] gradients = Numbers.ordinary(random, type, length(SHAPES.get(i)));
                model.gradients("p" + i, gradients);
                model.reference("p" + i).step(step, RATE, gradients);
              }
              optimizer.step();
              model.check(optimizer, type.toString());
            }
          }
        }
      }
    }
  }

  /** Several panels, and tiles of the largest sizes where one thread does them all. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void largeMatrices(ContractBackend backend) {
    long[] shape = {194, 1050};
    SplittableRandom random = new SplittableRandom(4);
    double[] values = Numbers.ordinary(random, ElementType.FLOAT32, length(shape));
    double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, length(shape));
    UpdateRule rule = Muon.muon().newtonSchulz(3.4445, -4.775, 2.0315, 2);
    try (TestModel model = new TestModel(backend.shared())) {
      model.add("p", ElementType.FLOAT32, Placement.OWNED, values).shape("p", shape);
      model.follow(rule);
      model.gradients("p", gradients);
      model.reference("p").step(1, RATE, gradients);
      try (Optimizer optimizer =
          Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).build()) {
        optimizer.step();
        model.check(optimizer, "large");
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void vectorsAreRefusedAndBelongUnderAnotherRule(ContractBackend backend) {
    Device device = backend.shared();
    try (Parameters parameters =
        Parameters.on(device)
            .add("weight", new float[6])
            .shape("weight", 2, 3)
            .add("bias", new float[3])
            .build()) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> Optimizer.of(parameters).rule(Muon.muon()).learningRate(RATE).build());
      assertEquals(
          "shape of \"bias\" is [3], must be of at least 2 dimensions under rule muon, which"
              + " multiplies matrices: say so by"
              + " shape(...) if it is a matrix, otherwise put it in a group under AdamW, such as"
              + " ParameterGroup.matching(\"bias\").rule(Adam.adamW())",
          e.getMessage());
      try (Optimizer optimizer =
          Optimizer.of(parameters)
              .rule(Muon.muon())
              .group(ParameterGroup.matching("bias").rule(Adam.adamW()))
              .learningRate(RATE)
              .build()) {
        assertEquals(List.of("momentum_buffer"), optimizer.stateNames("weight"));
        assertTrue(
            assertThrows(
                    IllegalArgumentException.class, () -> optimizer.state("weight", "orthogonal"))
                .getMessage()
                .contains("it has momentum_buffer"));
        parameters.get("weight").gradients().copyFrom(new float[] {1, 0, 0, 0, 2, 0});
        optimizer.step();
        double[] moved = parameters.get("weight").values().toDoubles();
        assertTrue(moved[0] < 0 && moved[4] < 0 && moved[1] == 0, "moved");
      }
    }
  }
}
