package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.ScheduleFreeAdamW;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.StoredForm;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Captured steps have the bits of plain steps on the CPU. On the simulated driver. */
class CapturedStepTest extends SimulatedTest {
  private static final int STEPS = 40; // beyond twice the ring
  private static final int[] SIZES = {1, 40, 5000, 12};

  /** What is trained, and how. */
  record Scene(String name, StoredForm form, Consumer<OptimizerBuilder> options, Scaling scaling) {
    @Override
    public String toString() {
      return name;
    }
  }

  /** A loss scaler's settings, or null for none. */
  record Scaling(double scale, double growth, double backoff, int interval) {
    LossScaler scaler() {
      return LossScaler.dynamic(scale, growth, backoff, interval);
    }
  }

  private static Schedule moving() {
    return Schedules.cosine(1e-2, 60).warmUp(5);
  }

  private static Scene scene(String name, UpdateRule rule, Consumer<OptimizerBuilder> options) {
    return new Scene(
        name,
        StoredForm.plain(ElementType.FLOAT32),
        builder -> options.accept(builder.rule(rule)),
        null);
  }

  static Stream<Scene> scenes() {
    List<Scene> scenes = new ArrayList<>();
    scenes.add(scene("plain", Sgd.sgd(), b -> b.learningRate(0.1).startAfter(70_000)));
    scenes.add(
        scene(
            "skipped",
            Adam.adamW().weightDecay(0.1),
            b -> b.learningRate(moving()).clipNorm(1).skipNonFinite(true).zeroGradients(true)));
    scenes.add(scene("not skipped", Adam.adam(), b -> b.learningRate(moving()).clipNorm(1)));
    scenes.add(
        scene(
            "moving",
            Adam.adam().weightDecay(0.1),
            b ->
                b.learningRate(moving())
                    .schedule("beta1", Schedules.polynomial(0.95, 30, 1))
                    .gradientScale(1.0 / 3)
                    .clipValue(0.5)));
    scenes.add(
        scene(
            "one rule of many groups",
            Momentum.heavyBall(0.9),
            b -> {
              b.learningRate(moving()).skipNonFinite(true);
              groups(b);
            }));
    scenes.add(scene("nadam", NAdam.nAdam(), b -> b.learningRate(moving()).skipNonFinite(true)));
    scenes.add(
        scene(
            "sums",
            Lamb.lamb().weightDecay(0.1).maxGradNorm(0),
            b ->
                b.learningRate(moving())
                    .skipNonFinite(true)
                    .group(ParameterGroup.matching("p1*").rule(NAdam.nAdam()))));
    scenes.add(scene("group sums", Prodigy.prodigy(), b -> b.learningRate(1).skipNonFinite(true)));
    scenes.add(scene("factors", Adafactor.adafactor(), b -> b.learningRate(moving())));
    scenes.add(
        scene(
            "matrices",
            Adam.adam(),
            b ->
                b.learningRate(moving())
                    .skipNonFinite(true)
                    .group(ParameterGroup.matching("p3*").rule(Muon.muon()))));
    scenes.add(
        scene("copies", ScheduleFreeAdamW.scheduleFreeAdamW(), b -> b.learningRate(moving())));
    scenes.add(
        scene(
            "adaptive",
            Momentum.nesterov(0.9),
            b -> b.learningRate(moving()).adaptiveClip(0.01).skipNonFinite(true)));
    scenes.add(
        new Scene(
            "scaled",
            StoredForm.plain(ElementType.FLOAT16),
            b -> b.rule(Adam.adamW()).learningRate(moving()).clipNorm(1),
            new Scaling(65536, 2, 0.5, 3)));
    scenes.add(
        new Scene(
            "scaled at its bounds",
            StoredForm.plain(ElementType.FLOAT64),
            b -> b.rule(Adam.adamW()).learningRate(moving()).gradientScale(1e-3),
            new Scaling(Math.scalb(1.5, -120), 0x1p60, 0x1p-70, 4)));
    StoredForm smallest =
        new StoredForm(
            ElementType.BFLOAT16,
            ElementType.BFLOAT16,
            MasterWeights.BITS_24,
            StateType.INT8,
            Rounding.STOCHASTIC);
    scenes.add(mixed("smallest", smallest));
    for (StoredForm form : StoredForm.ofEachChoice()) {
      scenes.add(mixed(form.toString(), form));
    }
    scenes.add(
        new Scene(
            "mixed sums",
            new StoredForm(
                ElementType.BFLOAT16,
                ElementType.BFLOAT16,
                MasterWeights.NONE,
                StateType.BFLOAT16,
                Rounding.NEAREST),
            b -> b.rule(Lamb.lamb()).learningRate(moving()),
            new Scaling(1024, 2, 0.5, 5)));
    return scenes.stream();
  }

  private static Scene mixed(String name, StoredForm form) {
    return new Scene(
        name,
        form,
        b -> b.rule(Adam.adamW()).learningRate(moving()).average(0.99).clipNorm(1),
        new Scaling(1024, 4, 0.25, 5));
  }

  /** One for each parameter, with 30 of them in all. */
  private static void groups(OptimizerBuilder builder) {
    for (int i = 0; i < SIZES.length; i++) {
      for (int j = 0; j < 7; j++) {
        builder.group(
            ParameterGroup.matching("p" + i + "." + j)
                .learningRateFactor(1 + i + j / 8.0)
                .weightDecay(j / 10.0));
      }
    }
  }

  /** An optimizer on a device, with gradients of each step to come. */
  static final class Run implements AutoCloseable {
    final Parameters parameters;
    final Optimizer optimizer;
    final LossScaler scaler;
    private final List<List<Tensor>> gradients = new ArrayList<>(); // of steps in turn
    private final Tensor buffer;

    Run(Device device, Scene scene) {
      SplittableRandom random = new SplittableRandom(7);
      StoredForm form = scene.form;
      ParametersBuilder builder = Parameters.on(device).gradientType(form.gradients());
      for (int i = 0; i < SIZES.length; i++) {
        for (int j = 0; j < 7; j++) {
          String name = "p" + i + "." + j;
          builder.add(name, form.values(), numbers(random, SIZES[i], 1));
          if (SIZES[i] % 4 == 0) {
            builder.shape(name, 4, SIZES[i] / 4);
          }
        }
      }
      parameters = builder.build();
      OptimizerBuilder options =
          Optimizer.of(parameters)
              .masterWeights(form.masters())
              .stateType(form.state(), 0)
              .rounding(form.rounding(), 5);
      scene.options.accept(options);
      scaler = scene.scaling == null ? null : scene.scaling.scaler();
      if (scaler != null) {
        options.lossScaler(scaler);
      }
      optimizer = options.build();
      int total = 0;
      for (int i = 0; i < SIZES.length; i++) {
        total += 7 * SIZES[i];
      }
      buffer = device.allocate(form.gradients(), (long) total * 8);
      long at = 0;
      for (int turn = 0; turn < 8; turn++) {
        List<Tensor> own = new ArrayList<>();
        for (int i = 0; i < SIZES.length; i++) {
          for (int j = 0; j < 7; j++) {
            float[] numbers = numbers(random, SIZES[i], turn + 1);
            if (turn % 3 == 2 && j == 3) { // two of each eight steps
              numbers[SIZES[i] / 2] = turn == 2 ? Float.NaN : Float.POSITIVE_INFINITY;
            }
            Tensor one = buffer.slice(at, SIZES[i]);
            one.copyFrom(numbers);
            own.add(one);
            at += SIZES[i];
          }
        }
        gradients.add(own);
      }
    }

    private static float[] numbers(SplittableRandom random, int length, double size) {
      float[] numbers = new float[length];
      for (int i = 0; i < length; i++) {
        numbers[i] = (float) (size * (random.nextDouble() - 0.5));
      }
      return numbers;
    }

    /** On a device without a wait. */
    void setGradients(int step) {
      List<Tensor> own = gradients.get(step % gradients.size());
      int next = 0;
      for (int i = 0; i < SIZES.length; i++) {
        for (int j = 0; j < 7; j++) {
          parameters.get("p" + i + "." + j).gradients().copyFrom(own.get(next++));
        }
      }
    }

    /** Weights from elsewhere. */
    void load(long seed) {
      SplittableRandom random = new SplittableRandom(seed);
      parameters.forEach(
          parameter ->
              parameter.values().copyFrom(numbers(random, (int) parameter.values().length(), 1)));
    }

    void step(int step) {
      setGradients(step);
      optimizer.step();
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.close();
      buffer.close();
    }
  }

  static void same(Run expected, Run actual, String where) {
    assertEquals(expected.optimizer.stepCount(), actual.optimizer.stepCount(), where);
    assertEquals(expected.optimizer.skippedSteps(), actual.optimizer.skippedSteps(), where);
    assertEquals(
        expected.optimizer.isLastStepSkipped(), actual.optimizer.isLastStepSkipped(), where);
    assertEquals(expected.optimizer.learningRate(), actual.optimizer.learningRate(), where);
    assertEquals(expected.optimizer.gradientNorm(), actual.optimizer.gradientNorm(), where);
    if (expected.scaler != null) {
      assertEquals(expected.scaler.state(), actual.scaler.state(), where);
    }
    for (int i = 0; i < SIZES.length; i++) {
      for (int j = 0; j < 7; j++) {
        String name = "p" + i + "." + j;
        same(
            expected.parameters.get(name).values(),
            actual.parameters.get(name).values(),
            where + ", " + name);
        same(
            expected.parameters.get(name).gradients(),
            actual.parameters.get(name).gradients(),
            where + ", gradients of " + name);
        for (String slot : expected.optimizer.stateNames(name)) {
          same(
              expected.optimizer.state(name, slot),
              actual.optimizer.state(name, slot),
              where + ", " + slot + " of " + name);
        }
      }
    }
  }

  private static void same(Tensor expected, Tensor actual, String where) {
    assertArrayEquals(expected.toDoubles(), actual.toDoubles(), where);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("scenes")
  void hasTheBitsOfPlainSteps(Scene scene) {
    try (Device cpu = Devices.cpu();
        Device cuda = Devices.require("cuda");
        Run expected = new Run(cpu, scene);
        Run actual = new Run(cuda, scene);
        CapturedStep captured = actual.optimizer.capture()) {
      for (int step = 1; step <= STEPS; step++) {
        expected.step(step);
        actual.setGradients(step);
        captured.step();
        if (step == 3) {
          same(expected, actual, scene + ", step " + step);
        }
      }
      same(expected, actual, scene.name);
    }
  }

  /** Of which the host does not know whether they happen, or does in between. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("scenes")
  void plainStepsHaveThemToo(Scene scene) {
    try (Device cpu = Devices.cpu();
        Device cuda = Devices.require("cuda");
        Run expected = new Run(cpu, scene);
        Run actual = new Run(cuda, scene)) {
      for (int step = 1; step <= STEPS; step++) {
        for (Run run : List.of(expected, actual)) {
          run.setGradients(step);
          if (step % 12 == 7) {
            run.optimizer.step(0.25);
          } else {
            run.optimizer.step();
          }
        }
        if (step % 12 == 5) {
          same(expected, actual, scene + ", step " + step);
        }
      }
      same(expected, actual, scene.name);
    }
  }

  /** As far ahead as the host goes, with none of the steps happening. */
  @Test
  void aHostFarAheadKnowsTheLastStep() {
    Scene scene = scene("nadam", NAdam.nAdam(), b -> b.learningRate(moving()).skipNonFinite(true));
    try (Device cpu = Devices.cpu();
        Device cuda = Devices.require("cuda");
        Run expected = new Run(cpu, scene);
        Run actual = new Run(cuda, scene);
        CapturedStep captured = actual.optimizer.capture()) {
      for (int turn = 1; turn <= 3; turn++) {
        expected.step(3);
        actual.setGradients(3);
        captured.step();
        same(expected, actual, "turn " + turn);
        for (int launch = 1; launch <= 16; launch++) {
          expected.step(2); // whose gradients are not finite
          actual.setGradients(2);
          captured.step();
        }
        same(expected, actual, "turn " + turn + ", skipped");
      }
      assertEquals(3, actual.optimizer.stepCount());
    }
  }

  static Stream<Arguments> copying() {
    return Stream.of(
            scene("prodigy", Prodigy.prodigy(), b -> b.learningRate(1).skipNonFinite(true)),
            scene(
                "schedule-free",
                ScheduleFreeAdamW.scheduleFreeAdamW(),
                b -> b.learningRate(moving()).skipNonFinite(true)),
            scene(
                "one of two groups",
                Adam.adamW(),
                b ->
                    b.learningRate(moving())
                        .skipNonFinite(true)
                        .group(ParameterGroup.matching("p2*").rule(Prodigy.prodigy()))))
        .flatMap(
            scene -> Stream.of(true, false).map(isCaptured -> Arguments.of(scene, isCaptured)));
  }

  /** State that begins as a copy of the weights follows them until a step has happened. */
  @ParameterizedTest(name = "{0}, captured: {1}")
  @MethodSource("copying")
  void weightsMayBeLoadedUntilAStepHasHappened(Scene scene, boolean isCaptured) {
    int[][] turns = {{4, 2, 1, 3}, {2, 5, 2, 3, 2, 4, 1}}; // 2 and 5 are not finite
    for (int[] gradients : turns) {
      try (Device cpu = Devices.cpu();
          Device cuda = Devices.require("cuda");
          Run expected = new Run(cpu, scene);
          Run actual = new Run(cuda, scene);
          CapturedStep captured = isCaptured ? actual.optimizer.capture() : null) {
        Runnable step = isCaptured ? captured::step : actual.optimizer::step;
        for (int i = 0; i < gradients.length; i++) {
          expected.load(i);
          expected.step(gradients[i]);
          actual.load(i);
          actual.setGradients(gradients[i]);
          step.run();
        }
        assertEquals(3, actual.optimizer.stepCount());
        same(expected, actual, scene.name);
      }
    }
  }
}
