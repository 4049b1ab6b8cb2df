package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.StateType;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.Bits;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.ReferenceClip;
import io.warmstep.testkit.ReferenceNorm;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.StoredForm;
import io.warmstep.testkit.TestModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Gradients that are clipped tensor by tensor, to a share of the tensor's norm. */
class AdaptiveClipTest {
  private static final double RATE = 0.0625;
  private static final double CLIP = 0.01;
  private static final double EPS = 1e-3;
  private static final double OTHER_CLIP = 0.3;
  private static final double OTHER_EPS = 20;
  private static final int STEPS = 2;

  static Stream<Arguments> backendsAndRules() {
    return ContractBackend.inTurn(
        RuleMatrix.ofEachShape().stream().filter(rule -> rule.sums().isEmpty()).toList());
  }

  /** Of which a form has the first that it can be had with. */
  private static final List<UpdateRule> MIXED =
      List.of(Sgd.sgd(), Momentum.nesterov(0.9), Adam.adamW());

  static Stream<Arguments> backendsAndKinds() {
    List<StoredForm> forms =
        MixedPrecisionTest.forms().stream()
            .filter(form -> MIXED.stream().anyMatch(form::canHave))
            .toList();
    return ContractBackend.inTurn(
        RuleMatrix.IS_FULL
            ? forms
            : forms.stream().filter(form -> forms.indexOf(form) % 3 == 0).toList());
  }

  /** A tensor's values, and its gradients. */
  private record Case(double[] values, double[] gradients) {}

  private static double[] filled(int length, double value) {
    double[] values = new double[length];
    Arrays.fill(values, value);
    return values;
  }

  private static double[] with(double[] values, int at, double value) {
    double[] copy = values.clone();
    copy[at] = value;
    return copy;
  }

  /** Tensors of all lengths, and those whose squares overflow, vanish or are no numbers. */
  private static Map<String, Case> cases(ElementType type, boolean areFinite) {
    SplittableRandom random = new SplittableRandom(21);
    Map<String, Case> cases = new LinkedHashMap<>();
    for (int n : new int[] {0, 1, 2, 33, 4095, 4096, 4097, 8193}) {
      double[] values = Numbers.ordinary(random, type, n);
      cases.put("of" + n, new Case(values, Numbers.ordinary(random, type, n)));
    }
    double large = type == ElementType.FLOAT16 ? 6e4 : type == ElementType.FLOAT64 ? 1e300 : 2e38;
    double tiny = type == ElementType.FLOAT16 ? 6e-8 : type == ElementType.FLOAT64 ? 1e-310 : 1e-40;
    double[] some = Numbers.ordinary(random, type, 4097);
    double[] none = new double[4097];
    double[] small = new double[4097];
    Arrays.setAll(small, i -> Numbers.round(type, some[i] * 0x1p-12));
    double[] larges = with(none, 4096, Numbers.round(type, large));
    cases.put("zeros", new Case(none, none));
    cases.put("zero_values", new Case(none, some));
    cases.put("zero_gradients", new Case(some, none));
    cases.put("small_gradients", new Case(some, small));
    cases.put("large_value", new Case(larges, some));
    cases.put("large_gradient", new Case(some, larges));
    cases.put("tiny_values", new Case(filled(4097, Numbers.round(type, tiny)), some));
    cases.put("tiny_gradients", new Case(some, filled(4097, Numbers.round(type, tiny))));
    cases.put("one", new Case(new double[] {1.5}, new double[] {-0.25}));
    cases.put("one_zero", new Case(new double[] {0}, new double[] {-0.25}));
    if (!areFinite) {
      // Their norm is beyond the type's range, unless that is of 16 bits.
      cases.put("larges", new Case(some, filled(4097, Numbers.round(type, large))));
      cases.put("large_values", new Case(filled(4097, Numbers.round(type, large)), some));
      cases.put("nan_value", new Case(with(some, 4096, Double.NaN), some));
      cases.put("nan_gradient", new Case(some, with(some, 7, Double.NaN)));
      cases.put("infinite_value", new Case(with(some, 3, Double.NEGATIVE_INFINITY), some));
      cases.put("infinite_gradient", new Case(some, with(some, 9, Double.POSITIVE_INFINITY)));
    }
    Map<String, Case> named = new LinkedHashMap<>();
    cases.forEach((name, one) -> named.put(grouped(name), one));
    return named;
  }

  /** A tensor's name begins with that of its group: see {@link #factor}. */
  private static final List<String> GROUPS = List.of("other", "none", "usual", "usual", "usual");

  private static String grouped(String name) {
    return GROUPS.get(Math.floorMod(name.hashCode(), GROUPS.size())) + "." + name;
  }

  private static boolean isIn(String name, int group) {
    return name.startsWith(GROUPS.get(group) + ".");
  }

  /** Of the first group another bound and of the next one none. */
  private static double factor(
      String name, ElementType type, double[] values, double[] gradients, double scale) {
    if (isIn(name, 1)) {
      return 1;
    }
    return isIn(name, 0)
        ? ReferenceClip.factor(type, OTHER_CLIP, OTHER_EPS, values, gradients, scale)
        : ReferenceClip.factor(type, CLIP, EPS, values, gradients, scale);
  }

  /** What else happens to gradients. */
  private record Extra(double clipNorm, double clipValue, double lossScale, boolean zeroes) {
    boolean isFinite() {
      return clipNorm > 0 || lossScale != 1;
    }
  }

  private static final List<Extra> EXTRAS =
      List.of(
          new Extra(0, 0, 1, false),
          new Extra(0, 0.0078125, 1, true),
          new Extra(3, 0, 1024, true),
          new Extra(3, 0.001953125, 1, false));

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void everyTensorHasItsOwnFactor(ContractBackend backend, UpdateRule rule) {
    for (ElementType type : backend.types()) {
      for (Extra extra : EXTRAS) {
        Map<String, Case> cases = cases(type, extra.isFinite());
        try (TestModel model = new TestModel(backend.shared())) {
          int turn = 0;
          for (Map.Entry<String, Case> one : cases.entrySet()) {
            Placement placement = turn++ % 3 == 2 ? backend.guarded() : Placement.OWNED;
            model.add(one.getKey(), type, placement, one.getValue().values);
          }
          model.follow(rule);
          try (Optimizer optimizer = optimizer(model, rule, extra)) {
            for (int step = 1; step <= STEPS; step++) {
              step(model, optimizer, extra, cases, type, step);
              model.check(optimizer, type + ", " + rule + ", " + extra);
            }
          }
        }
      }
    }
  }

  private static Optimizer optimizer(TestModel model, UpdateRule rule, Extra extra) {
    OptimizerBuilder builder =
        Optimizer.of(model.parameters())
            .rule(rule)
            .learningRate(RATE)
            .adaptiveClip(CLIP)
            .zeroGradients(extra.zeroes);
    builder.group(ParameterGroup.matching("other.*").adaptiveClip(OTHER_CLIP, OTHER_EPS));
    builder.group(ParameterGroup.matching("none.*").adaptiveClip(0));
    if (extra.clipNorm > 0) {
      builder.clipNorm(extra.clipNorm);
    }
    if (extra.clipValue > 0) {
      builder.clipValue(extra.clipValue);
    }
    if (extra.lossScale != 1) {
      builder.lossScaler(LossScaler.fixed(extra.lossScale));
    }
    return builder.build();
  }

  private static void step(
      TestModel model,
      Optimizer optimizer,
      Extra extra,
      Map<String, Case> cases,
      ElementType type,
      int step) {
    List<double[]> inOrder = cases.values().stream().map(Case::gradients).toList();
    double scale = 1 / extra.lossScale;
    if (extra.clipNorm > 0) {
      double norm = ReferenceNorm.of(type.arithmetic(), inOrder) * scale; // exact
      double clip = ReferenceNorm.clipFactor(type.arithmetic(), extra.clipNorm, norm);
      scale = ReferenceClip.product(type, scale, clip);
    }
    for (Map.Entry<String, Case> one : cases.entrySet()) {
      String name = one.getKey();
      double[] gradients = one.getValue().gradients;
      model.gradients(name, gradients);
      double factor = factor(name, type, model.values(name), gradients, scale);
      model.reference(name).step(step, RATE, gradients, scale, factor, extra.clipValue);
    }
    optimizer.step();
    for (Map.Entry<String, Case> one : cases.entrySet()) {
      double[] left = extra.zeroes ? new double[one.getValue().gradients.length] : null;
      Bits.assertSame(
          left == null ? one.getValue().gradients : left,
          model.gradients(one.getKey()),
          () -> "gradients of " + one.getKey());
    }
  }

  /** The definition in plain double arithmetic, without trees and scaling. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void isTheDefinition(ContractBackend backend) {
    if (!backend.hasFloat64()) {
      return;
    }
    SplittableRandom random = new SplittableRandom(3);
    for (double size : new double[] {1e-4, 0.02, 1, 50}) {
      double[] p = Numbers.ordinary(random, ElementType.FLOAT64, 5000);
      double[] g = Numbers.ordinary(random, ElementType.FLOAT64, 5000);
      Arrays.setAll(g, i -> g[i] * size);
      double squares = Arrays.stream(p).map(x -> x * x).sum();
      double norm = Math.sqrt(Arrays.stream(g).map(x -> x * x).sum());
      double most = CLIP * Math.max(Math.sqrt(squares), EPS);
      double factor = norm > most ? most / Math.max(norm, 1e-6) : 1;
      assertEquals(size < 0.01, factor == 1, "size " + size);
      try (Parameters parameters = Parameters.on(backend.shared()).add("p", p).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd().weightDecay(0.5))
                  .learningRate(RATE)
                  .adaptiveClip(CLIP, EPS)
                  .build()) {
        parameters.get("p").gradients().copyFrom(g);
        optimizer.step();
        double[] moved = parameters.get("p").values().toDoubles();
        for (int i = 0; i < p.length; i++) {
          double expected = p[i] - RATE * (factor * g[i] + 0.5 * p[i]);
          assertEquals(expected, moved[i], 1e-13 * (Math.abs(p[i]) + Math.abs(g[i])));
        }
      }
    }
  }

  /**
   * Against a twin on the processor, whose only tensor's gradient is multiplied by the factor
   * otherwise.
   */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndKinds")
  void parametersAndGradientsOfOtherTypes(ContractBackend backend, StoredForm form) {
    UpdateRule rule = MIXED.stream().filter(form::canHave).findFirst().orElseThrow();
    SplittableRandom random = new SplittableRandom(5);
    for (int length : new int[] {1, 300, 4097}) {
      double[] values = Numbers.ordinary(random, form.values(), length);
      try (Device cpu = Devices.cpu(1);
          Parameters ours = parameters(backend.shared(), form, values);
          Parameters theirs = parameters(cpu, form, values);
          Optimizer optimizer = mixed(ours, form, rule).adaptiveClip(CLIP).build();
          Optimizer twin = mixed(theirs, form, rule).build()) {
        for (int step = 1; step <= 3; step++) {
          double[] gradients = Numbers.ordinary(random, form.gradients(), length);
          gradients[0] = 0.5;
          for (Parameters each : List.of(ours, theirs)) {
            each.get("p").gradients().copyFrom(gradients);
          }
          double[] before = ours.get("p").values().toDoubles();
          double factor = ReferenceClip.factor(form.values(), CLIP, EPS, before, gradients, 1);
          assertTrue(factor < 1, "it is clipped");
          optimizer.step();
          twin.step(factor);
          String where = form + ", " + rule + ", step " + step + ", length " + length;
          assertSame(theirs, twin, ours, optimizer, where);
        }
      }
    }
  }

  private static Parameters parameters(Device device, StoredForm form, double[] values) {
    return Parameters.on(device)
        .gradientType(form.gradients())
        .add("p", form.values(), Numbers.floats(values))
        .build();
  }

  private static OptimizerBuilder mixed(Parameters parameters, StoredForm form, UpdateRule rule) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(RATE)
            .masterWeights(form.masters())
            .stateType(form.state(), 0)
            .rounding(form.rounding(), 7);
    return form.masters() == MasterWeights.NONE ? builder : builder.average(0.9);
  }

  private static void assertSame(
      Parameters expected, Optimizer twin, Parameters actual, Optimizer optimizer, String where) {
    for (Parameter parameter : expected) {
      String name = parameter.name();
      Bits.assertSame(
          parameter.values().toDoubles(),
          actual.get(name).values().toDoubles(),
          () -> where + ", " + name);
      for (String slot : twin.stateNames(name)) {
        Bits.assertSame(
            twin.state(name, slot).toDoubles(),
            optimizer.state(name, slot).toDoubles(),
            () -> where + ", " + name + ", " + slot);
      }
    }
  }

  /** Micro-batches whose sum is clipped, and slow weights that are not. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void goesWithAccumulationAndLookahead(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(6);
    double[] values = Numbers.ordinary(random, ElementType.FLOAT32, 5001);
    UpdateRule rule = Lookahead.around(Momentum.heavyBall(0.9)).k(2);
    try (Parameters ours = ofOne(backend, values);
        Parameters theirs = ofOne(backend, values);
        Optimizer optimizer =
            Optimizer.of(ours).rule(rule).learningRate(RATE).adaptiveClip(CLIP).build();
        Optimizer twin = Optimizer.of(theirs).rule(rule).learningRate(RATE).build()) {
      for (int step = 1; step <= 4; step++) {
        double[] sum = new double[values.length];
        for (int micro = 0; micro < 2; micro++) {
          double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, values.length);
          Arrays.setAll(sum, i -> (float) sum[i] + (float) gradients[i]);
          ours.get("p").gradients().copyFrom(gradients);
          theirs.get("p").gradients().copyFrom(gradients);
          optimizer.accumulate();
          twin.accumulate();
        }
        double[] before = ours.get("p").values().toDoubles();
        double factor = ReferenceClip.factor(ElementType.FLOAT32, CLIP, EPS, before, sum, 0.5);
        optimizer.step();
        twin.step(factor);
        assertSame(theirs, twin, ours, optimizer, "step " + step);
      }
    }
  }

  private static Parameters ofOne(ContractBackend backend, double[] values) {
    return Parameters.on(backend.shared()).add("p", Numbers.floats(values)).build();
  }

  /**
   * A skipped step, a frozen group and one at a rate of 0, of more groups than go with a launch.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void skippedFrozenAndStill(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(7);
    try (TestModel model = new TestModel(backend.shared())) {
      for (int i = 0; i < 20; i++) {
        double[] values = Numbers.ordinary(random, ElementType.FLOAT32, 100 + 300 * i);
        model.add("p" + i, ElementType.FLOAT32, Placement.OWNED, values);
      }
      UpdateRule rule = Adam.adam();
      OptimizerBuilder builder =
          Optimizer.of(model.parameters()).rule(rule).learningRate(RATE).skipNonFinite(true);
      for (int i = 0; i < 20; i++) {
        ParameterGroup group = ParameterGroup.matching("p" + i).learningRateFactor(i == 3 ? 0 : 1);
        builder.group(i % 4 == 0 ? group : group.adaptiveClip(clip(i)));
      }
      model.follow(rule);
      try (Optimizer optimizer = builder.build()) {
        optimizer.groups().freeze("p2");
        long steps = 0;
        for (int step = 1; step <= 4; step++) {
          List<double[]> gradients = new ArrayList<>();
          for (int i = 0; i < 20; i++) {
            double[] g = Numbers.ordinary(random, ElementType.FLOAT32, 100 + 300 * i);
            g[5] = step == 2 && i == 7 ? Double.NaN : g[5];
            gradients.add(g);
            model.gradients("p" + i, g);
          }
          steps += step == 2 ? 0 : 1;
          for (int i = 0; i < 20 && step != 2; i++) {
            if (i != 2) {
              double[] values = model.values("p" + i);
              double factor =
                  i % 4 == 0
                      ? 1
                      : ReferenceClip.factor(
                          ElementType.FLOAT32, clip(i), EPS, values, gradients.get(i), 1);
              double rate = i == 3 ? 0 : RATE;
              model.reference("p" + i).step(steps, rate, gradients.get(i), 1, factor, 0);
            }
          }
          optimizer.step();
          assertEquals(step == 2, optimizer.isLastStepSkipped());
          model.check(optimizer, "step " + step);
        }
      }
    }
  }

  private static double clip(int i) {
    return 0.01 * (1 + i);
  }

  /** Scales beyond float32 are two factors, of the norm as of an element. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void gradientScalesBeyondFloat32(ContractBackend backend) {
    for (int exponent : new int[] {-128, 140}) {
      double[] values = {0.25, -0.5, 0.5};
      double[] gradients = {0.125, 0.25, 0.25};
      Arrays.setAll(gradients, i -> Math.scalb(gradients[i], -exponent));
      try (Parameters parameters = ofOne(backend, values);
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Sgd.sgd())
                  .learningRate(1)
                  .gradientScale(Math.scalb(1.0, exponent / 2))
                  .lossScaler(LossScaler.fixed(Math.scalb(1.0, -exponent / 2)))
                  .adaptiveClip(0.125)
                  .build()) {
        parameters.get("p").gradients().copyFrom(gradients);
        optimizer.step();
        // The gradient's norm is 0.375, and may be an eighth of 0.75.
        assertEquals(
            List.of(0.21875, -0.5625, 0.4375),
            Arrays.stream(parameters.get("p").values().toDoubles()).boxed().toList());
      }
    }
  }

  /** So many leaves that nodes have to be joined, of parameters and of gradients. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void moreLeavesThanANodeHas(ContractBackend backend) {
    int length = 4096 * 4096 + 4097;
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("p", ElementType.FLOAT32, length)
                .add("q", new float[] {3, 4})
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).adaptiveClip(0.5).build()) {
      // Norms of 0.5 and 2, of which each comes from two leaves below different nodes.
      float[] parts = {0.3f, 0.4f};
      Tensor values = parameters.get("p").values();
      Tensor gradients = parameters.get("p").gradients();
      for (int i = 0; i < 2; i++) {
        values.slice(i * (length - 1L), 1).copyFrom(new float[] {parts[i]});
        gradients.slice(1 + i * (length - 3L), 1).copyFrom(new float[] {4 * parts[i]});
      }
      parameters.get("q").gradients().copyFrom(new float[] {6, 8});
      optimizer.step();
      assertEquals(0.3f, values.slice(0, 1).toFloats()[0]);
      assertEquals(0.4f, values.slice(length - 1L, 1).toFloats()[0]);
      assertEquals(-0.15f, values.slice(1, 1).toFloats()[0], 1e-7);
      assertEquals(-0.2f, values.slice(length - 2L, 1).toFloats()[0], 1e-7);
      assertEquals(0, values.slice(2, 1).toFloats()[0]);
      float[] q = parameters.get("q").values().toFloats();
      assertEquals(List.of(1.5f, 2f), List.of(q[0], q[1]));
    }
  }

  /** A bound that is never reached changes no bits, whatever state is stored as. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void aBoundThatIsNotReachedChangesNothing(ContractBackend backend) {
    SplittableRandom random = new SplittableRandom(8);
    double[] values = Numbers.ordinary(random, ElementType.FLOAT32, 9001);
    BiConsumer<OptimizerBuilder, Parameters> options =
        (builder, parameters) ->
            builder.rule(Adam.adamW()).learningRate(RATE).stateType(StateType.INT8, 0);
    try (Parameters ours = ofOne(backend, values);
        Parameters theirs = ofOne(backend, values)) {
      OptimizerBuilder clipped = Optimizer.of(ours).adaptiveClip(1e6);
      OptimizerBuilder plain = Optimizer.of(theirs);
      options.accept(clipped, ours);
      options.accept(plain, theirs);
      try (Optimizer optimizer = clipped.build();
          Optimizer twin = plain.build()) {
        for (int step = 1; step <= 3; step++) {
          double[] gradients = Numbers.ordinary(random, ElementType.FLOAT32, values.length);
          ours.get("p").gradients().copyFrom(gradients);
          theirs.get("p").gradients().copyFrom(gradients);
          optimizer.step();
          twin.step();
          assertSame(theirs, twin, ours, optimizer, "step " + step);
        }
      }
    }
  }
}
