package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.Trainer;
import ai.djl.training.loss.Loss;
import ai.djl.util.PairList;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Arrays and gradients that are not what a step might take them for. */
class ArraysTest {
  private static final String WEIGHT = "01Linear_weight";

  private static WarmstepOptimizer sgd(double rate) {
    return WarmstepOptimizer.of(Sgd.sgd()).learningRate(rate).build();
  }

  private static void steps(Toy toy, ModelStep step, int from, int to) {
    for (int i = from; i <= to; i++) {
      toy.backward(i);
      Mode.step(toy, step);
    }
  }

  /** An array may get the memory that another of the same parameter had, with fewer bytes. */
  @Test
  void anotherTypeOrShapeAtTheSameAddressIsAnother() {
    try (NDManager manager = NDManager.newBaseManager()) {
      PtNDArray values = (PtNDArray) manager.zeros(new Shape(2, 3), DataType.FLOAT16);
      Binding.Member present = Binding.Member.of("id", "w", values, values);
      assertTrue(present.hasValues(values));
      assertTrue(present.liesWhere(present));
      for (Binding.Member former :
          new Binding.Member[] {
            member(present, DataType.FLOAT32, present.shape()),
            member(present, present.type(), new Shape(6)),
          }) {
        assertFalse(former.hasValues(values));
        assertFalse(present.liesWhere(former));
      }
    }
  }

  private static Binding.Member member(Binding.Member like, DataType type, Shape shape) {
    return new Binding.Member(
        like.id(),
        like.name(),
        like.values(),
        like.gradients(),
        like.handle(),
        like.valuesAt(),
        like.gradsAt(),
        type,
        shape);
  }

  /** The same optimizer for a model that was cleared and is trained in another type. */
  @ParameterizedTest
  @EnumSource
  void aModelMayBeTrainedAgainInAnotherType(Mode mode) {
    WarmstepOptimizer optimizer = sgd(0.1);
    SequentialBlock block = Toy.block();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, block)) {
      mode.with(toy, optimizer, step -> steps(toy, step, 1, 2));
      toy.trainer.close();
      block.clear();
      toy.model.setDataType(DataType.FLOAT16);
      toy.train(optimizer).initialize(new Shape(12, Toy.INPUTS));
      toy.backward(3);
      double[] before = toy.values(WEIGHT);
      double[] gradient = toy.gradients(WEIGHT);
      mode.with(toy, optimizer, step -> Mode.step(toy, step));
      double[] after = toy.values(WEIGHT);
      for (int i = 0; i < after.length; i++) {
        assertEquals(before[i] - 0.1 * gradient[i], after[i], 1e-3);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aStateOfAnotherShapeIsAnError(Mode mode) {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Adam.adam()).learningRate(0.1).build();
    SequentialBlock block = Toy.block();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, block)) {
      mode.with(toy, optimizer, step -> steps(toy, step, 1, 2));
      toy.trainer.close();
      block.clear();
      toy.train(optimizer).initialize(new Shape(1, 5));
      try (GradientCollector collector = toy.trainer.newGradientCollector()) {
        NDArray input = toy.trainer.getManager().ones(new Shape(1, 5));
        collector.backward(toy.trainer.forward(new NDList(input)).head().sum());
      }
      Map<String, double[]> before = toy.allValues();
      mode.with(
          toy,
          optimizer,
          step -> {
            String message =
                assertThrows(IllegalArgumentException.class, () -> Mode.step(toy, step))
                    .getMessage();
            assertTrue(message.contains("initialized in another shape: use a new"), message);
          });
      assertArrayEquals(before.get(WEIGHT), toy.values(WEIGHT));
    }
  }

  @ParameterizedTest
  @EnumSource
  void anArrayWithoutGradientIsAnError(Mode mode) {
    WarmstepOptimizer optimizer =
        WarmstepOptimizer.of(Sgd.sgd().weightDecay(0.5)).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            steps(toy, step, 1, 1);
            toy.array(WEIGHT).setRequiresGradient(false);
            double[] before = toy.values(WEIGHT);
            toy.backward(2);
            assertThrows(RuntimeException.class, () -> Mode.step(toy, step));
            assertArrayEquals(before, toy.values(WEIGHT));
          });
    }
  }

  /** Gradients are there, at zero, from the first trainer's steps. */
  @ParameterizedTest
  @EnumSource
  void aSecondTrainersStepWithoutBackwardIsAnError(Mode mode) {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Adam.adam()).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer)) {
      mode.with(toy, optimizer, step -> steps(toy, step, 1, 2));
      toy.trainer.close();
      toy.train(optimizer).initialize(new Shape(12, Toy.INPUTS));
      double[] before = toy.values(WEIGHT);
      mode.with(
          toy,
          optimizer,
          step -> assertThrows(IllegalStateException.class, () -> Mode.step(toy, step)));
      assertArrayEquals(before, toy.values(WEIGHT));
      assertEquals(2, optimizer.stepCount());
    }
  }

  /** DJL's trainer would go on with the arrays that the model has no longer. */
  @Test
  void parametersThatWereLoadedUnderATrainerAreAnError() throws Exception {
    WarmstepOptimizer optimizer = sgd(0.1);
    try (Toy toy = new Toy(optimizer);
        ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
      ByteArrayOutputStream saved = new ByteArrayOutputStream();
      toy.model.getBlock().saveParameters(new DataOutputStream(saved));
      steps(toy, step, 1, 1);
      toy.model
          .getBlock()
          .loadParameters(
              toy.model.getNDManager(),
              new DataInputStream(new ByteArrayInputStream(saved.toByteArray())));
      toy.backward(2);
      String message = assertThrows(IllegalStateException.class, step::step).getMessage();
      assertTrue(message.contains("make a new trainer"), message);
    }
  }

  /** Backward through values from before a step is an error, as after PyTorch's own steps. */
  @ParameterizedTest
  @EnumSource
  void autogradNoticesTheUpdate(Mode mode) {
    WarmstepOptimizer optimizer = sgd(1);
    try (Toy toy = new Toy(optimizer)) {
      NDArray weight = toy.array(WEIGHT);
      mode.with(
          toy,
          optimizer,
          step -> {
            try (GradientCollector collector = toy.trainer.newGradientCollector()) {
              NDArray before = weight.mul(weight).sum();
              collector.backward(weight.mul(weight).sum());
              Mode.step(toy, step);
              String message =
                  assertThrows(EngineException.class, () -> collector.backward(before))
                      .getMessage();
              assertTrue(message.contains("modified by an inplace operation"), message);
            }
          });
    }
  }

  @ParameterizedTest
  @EnumSource
  void aScopeAroundEachBatchClosesNothingOfOurs(Mode mode) {
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Adam.adam()).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer)) {
      mode.with(
          toy,
          optimizer,
          step -> {
            for (int i = 1; i <= 3; i++) {
              try (NDScope scope = new NDScope()) {
                scope.suppressNotUsedWarning();
                steps(toy, step, i, i);
              }
            }
          });
      assertEquals(3, optimizer.stepCount());
    }
  }

  @Test
  void aTransposedViewOfAParameterIsAnError() {
    WarmstepOptimizer optimizer = sgd(1);
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray square = manager.zeros(new Shape(2, 2));
      NDArray gradient = manager.arange(4f).reshape(2, 2);
      optimizer.update("w", square, gradient);
      assertThrows(
          IllegalArgumentException.class,
          () -> optimizer.update("w", square.transpose(), gradient));
      assertArrayEquals(new float[] {0, -1, -2, -3}, square.toFloatArray());
    }
  }

  /** Tied weights: two parameters with one array, which is updated once. */
  @Test
  void twoParametersMayHaveOneArray() {
    WarmstepOptimizer optimizer = sgd(1);
    try (Toy toy = new Toy(optimizer)) {
      NDArray shared = toy.array(WEIGHT);
      FixedSource one = new FixedSource(toy.model.getBlock(), WEIGHT, shared);
      FixedSource other = new FixedSource(toy.model.getBlock(), "03Linear_weight", shared);
      try (ModelStep step = new ModelStep(new Both(one, other), optimizer);
          GradientCollector collector = toy.trainer.newGradientCollector()) {
        double[] before = toy.values(WEIGHT);
        collector.backward(shared.mul(3).sum());
        step.step();
        double[] after = toy.values(WEIGHT);
        for (int i = 0; i < after.length; i++) {
          assertEquals(before[i] - 3, after[i], 1e-6);
        }
      }
    }
  }

  private record Both(FixedSource one, FixedSource other) implements ParameterSource {
    @Override
    public Block block() {
      return one.block();
    }

    @Override
    public Object trainer() {
      return one.trainer();
    }

    @Override
    public void checkOpen() {}

    @Override
    public List<Replicas> trained(Map<String, Parameter> named) {
      return Stream.of(one, other).flatMap(each -> each.trained(named).stream()).toList();
    }

    @Override
    public void stepped(long begin) {}
  }

  /** As a masked batch has: DJL's trainer looks for such at its first step only. */
  @Test
  void aModelStepOfTheSameTrainerMayBeginWithZeros() {
    WarmstepOptimizer optimizer = sgd(0.1);
    try (Toy toy = new Toy(optimizer)) {
      Mode.MODEL_STEP.with(toy, optimizer, step -> steps(toy, step, 1, 1));
      try (ModelStep step = ModelStep.of(toy.trainer, optimizer);
          GradientCollector collector = toy.trainer.newGradientCollector()) {
        collector.backward(toy.array(WEIGHT).mul(0).sum());
        step.step();
      }
      assertEquals(2, optimizer.stepCount());
    }
  }

  /**
   * A sum's gradient goes to both of its terms, in one piece of memory. From the second step on
   * autograd itself adds each to that, so both are twice what they should be, whatever the
   * optimizer.
   */
  @ParameterizedTest
  @EnumSource
  void gradientsMayShareMemory(Mode mode) {
    WarmstepOptimizer optimizer = sgd(1);
    try (Model model = Model.newInstance("sum", Device.cpu(), "PyTorch")) {
      Sum block = new Sum();
      model.setBlock(block);
      try (Trainer trainer =
          model.newTrainer(
              new DefaultTrainingConfig(Loss.l2Loss())
                  .optDevices(new Device[] {Device.cpu()})
                  .optOptimizer(optimizer))) {
        trainer.initialize(new Shape(8));
        double[] first = Toy.doubles(block.first.getArray());
        double[] second = Toy.doubles(block.second.getArray());
        try (GradientCollector collector = trainer.newGradientCollector()) {
          NDArray input = trainer.getManager().arange(8f).add(1);
          collector.backward(trainer.forward(new NDList(input)).head().sum());
        }
        assertEquals(gradientAt(block.first), gradientAt(block.second), "they do");
        if (mode == Mode.TRAINER_STEP) { // which zeroes one before it reads the other, as DJL does
          trainer.step();
          assertTrue(
              hasMoved(block.first, first) || hasMoved(block.second, second), "one is whole");
        } else {
          try (ModelStep step = ModelStep.of(trainer, optimizer)) {
            step.step();
          }
          assertTrue(hasMoved(block.first, first) && hasMoved(block.second, second));
        }
      }
    }
  }

  private static long gradientAt(Parameter parameter) {
    try (PtNDArray gradient = JniUtils.getGradient((PtNDArray) parameter.getArray())) {
      return LibTorch.dataPointer(gradient);
    }
  }

  private static boolean hasMoved(Parameter parameter, double[] from) {
    double[] to = Toy.doubles(parameter.getArray());
    boolean hasMoved = true;
    for (int i = 0; i < from.length; i++) {
      hasMoved &= Math.abs(from[i] - (i + 1) - to[i]) < 1e-5;
    }
    return hasMoved;
  }

  private static final class Sum extends AbstractBlock {
    final Parameter first = parameter("first", new Shape(4, 2));
    final Parameter second = parameter("second", new Shape(2, 4));

    private Parameter parameter(String name, Shape shape) {
      return addParameter(
          Parameter.builder().setName(name).setType(Parameter.Type.WEIGHT).optShape(shape).build());
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
      NDArray a = store.getValue(first, Device.cpu(), training).reshape(8);
      return new NDList(
          inputs.head().mul(a.add(store.getValue(second, Device.cpu(), training).reshape(8))));
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
      return inputShapes;
    }
  }

  /** Whatever engine a program has for other models. */
  @Test
  void gradientsAreKeptInPyTorch() {
    WarmstepOptimizer optimizer = sgd(1);
    Engine torch = Engine.getEngine("PyTorch");
    try (NDManager manager = torch.newBaseManager()) {
      String former = System.getProperty("ai.djl.default_engine");
      NDArray weight = manager.zeros(new Shape(2));
      NDArray gradient = manager.ones(new Shape(2));
      System.setProperty("ai.djl.default_engine", "nonesuch");
      try {
        optimizer.update("w", weight, gradient);
      } finally {
        if (former == null) {
          System.clearProperty("ai.djl.default_engine");
        } else {
          System.setProperty("ai.djl.default_engine", former);
        }
      }
      assertArrayEquals(new float[] {-1, -1}, weight.toFloatArray());
    }
  }
}
