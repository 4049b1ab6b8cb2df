package io.warmstep.collective;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.EvaluationModeException;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Norm;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Rounding;
import io.warmstep.Shard;
import io.warmstep.ShardedOptimizer;
import io.warmstep.ShardedOptimizerBuilder;
import io.warmstep.StateType;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Muon;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Rules;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Proxies;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ShardedOptimizerTest {
  private static final List<ElementType> FLOAT32 = List.of(ElementType.FLOAT32);
  private static final ElementType DOUBLE = ElementType.FLOAT64;
  private static final List<ElementType> MIXED =
      List.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT64, ElementType.FLOAT16);

  static List<UpdateRule> rules() {
    return Rules.ofEachKernel();
  }

  private static void assertSame(ShardedRun run, int steps, int... sizes) throws Exception {
    String expected = run.alone(steps);
    assertEquals(expected, run.accumulated(steps), "accumulated by one optimizer");
    for (int size : sizes) {
      for (String bits : run.shared(Workers.IN_PROCESS, size, steps)) {
        assertEquals(expected, bits, size + " workers");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("rules")
  void anyNumberOfWorkersHasTheSameBits(UpdateRule rule) throws Exception {
    ShardedRun run =
        new ShardedRun(FLOAT32, builder -> builder.rule(rule).clipNorm(5).skipNonFinite(true));
    assertSame(run, 3, 1, 2, 3, 4, 8);
  }

  @Test
  void typesMayBeMixed() throws Exception {
    for (Norm norm : Norm.values()) {
      assertSame(
          new ShardedRun(MIXED, builder -> builder.rule(Adam.adamW()).clipNorm(0.5, norm)),
          2,
          1,
          3,
          4);
    }
    assertSame(
        new ShardedRun(MIXED, builder -> builder.rule(Lamb.lamb()).zeroGradients(true)), 2, 2, 5);
  }

  /** Each worker has the masters, the narrow state and the averages of its share. */
  static List<UnaryOperator<OptimizerBuilder>> storage() {
    List<UnaryOperator<OptimizerBuilder>> forms = new ArrayList<>();
    for (MasterWeights masters : MasterWeights.values()) {
      for (StateType state : StateType.values()) {
        forms.add(builder -> builder.masterWeights(masters).stateType(state));
      }
    }
    forms.add(builder -> builder.stateType(StateType.INT8, 0));
    // Of which a worker may have less than makes a large tensor.
    forms.add(builder -> builder.stateType(StateType.INT8, 2 * 4096 + 17));
    forms.add(
        builder ->
            builder
                .masterWeights(MasterWeights.EXACT)
                .stateType(StateType.BFLOAT16, 0)
                .group(ParameterGroup.matching("p1").stateType(StateType.INT8)));
    forms.add(builder -> builder.masterWeights(MasterWeights.EXACT).average(0.9));
    for (UpdateRule rule : List.of(Lamb.lamb(), NovoGrad.novoGrad(), Muon.muon())) {
      forms.add(
          builder ->
              builder.rule(rule).masterWeights(MasterWeights.EXACT).stateType(StateType.INT8));
    }
    return forms;
  }

  @ParameterizedTest
  @MethodSource("storage")
  void mastersAndNarrowStateAreShared(UnaryOperator<OptimizerBuilder> form) throws Exception {
    ShardedRun run =
        new ShardedRun(
            List.of(ElementType.BFLOAT16, ElementType.FLOAT32, ElementType.BFLOAT16),
            builder -> form.apply(builder.rule(Adam.adamW()).clipNorm(5).skipNonFinite(true)));
    assertSame(run, 4, 1, 2, 3, 8);
  }

  /** Random numbers count from a parameter's first element, not from that of a share. */
  static List<UnaryOperator<OptimizerBuilder>> roundings() {
    List<UnaryOperator<OptimizerBuilder>> forms = new ArrayList<>();
    for (MasterWeights masters : MasterWeights.values()) {
      for (StateType state : StateType.values()) {
        if (masters != MasterWeights.EXACT || state != StateType.FLOAT32) {
          forms.add(builder -> builder.masterWeights(masters).stateType(state, 0));
        }
      }
    }
    forms.add(builder -> builder.stateType(StateType.INT8, 10_000).average(0.9));
    for (UpdateRule rule : List.of(Lamb.lamb(), NovoGrad.novoGrad(), Muon.muon())) {
      forms.add(
          builder ->
              builder
                  .rule(rule)
                  .masterWeights(MasterWeights.BITS_24)
                  .stateType(StateType.BFLOAT16, 0));
    }
    return forms;
  }

  @ParameterizedTest
  @MethodSource("roundings")
  void workersRoundAtRandomAsOneDoes(UnaryOperator<OptimizerBuilder> form) throws Exception {
    ShardedRun run =
        new ShardedRun(
            List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
            builder ->
                form.apply(
                    builder
                        .rule(Adam.adamW())
                        .clipNorm(5)
                        .rounding(Rounding.STOCHASTIC, 1L << 40 | 7)));
    assertSame(run, 3, 1, 2, 3, 4, 8);
  }

  @Test
  void mastersOfFloat16AreShared() throws Exception {
    ShardedRun run =
        new ShardedRun(
            MIXED,
            builder -> builder.rule(Momentum.heavyBall(0.9)).masterWeights(MasterWeights.EXACT));
    assertSame(run, 3, 1, 2, 5);
  }

  /**
   * Of which workers have nothing, and one is of an empty parameter alone; the state of a group is
   * the same at all of them.
   */
  @Test
  void sumsOfGroupsAreOfAllWorkers() throws Exception {
    ShardedRun run =
        new ShardedRun(
            List.of(ElementType.FLOAT32, ElementType.FLOAT32, ElementType.FLOAT32, DOUBLE),
            builder ->
                builder
                    .rule(Prodigy.prodigy().d0(1e-3).useBiasCorrection(true).weightDecay(0.1))
                    .group(ParameterGroup.matching("p6"))
                    .group(ParameterGroup.matching("p2"))
                    .group(ParameterGroup.matching("p3"))
                    .group(ParameterGroup.matching("p4").rule(Adam.adam()))
                    .skipNonFinite(true));
    assertSame(run, 4, 1, 2, 3, 8);
    List<List<Float>> all =
        Workers.IN_PROCESS.run(
            4,
            collective -> {
              try (Device device = Devices.cpu(2);
                  Parameters parameters = run.parameters(device, 0);
                  ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
                run.steps(parameters, optimizer, 0, 3);
                List<Float> state = new ArrayList<>();
                for (String name : List.of("p0", "p1", "p5", "p6", "p2", "p3")) {
                  state.add(optimizer.state(name, "d").toFloats()[0]);
                }
                return state;
              }
            });
    all.forEach(its -> assertEquals(all.get(0), its));
    List<Float> first = all.get(0);
    assertTrue(first.get(0) > 1e-3, "d of the default group is " + first);
    assertTrue(first.get(3) > 1e-3, "d of p6 is " + first);
    assertEquals(1e-3f, first.get(4), "d of what is empty");
  }

  /** A tensor that is clipped so lies with one worker as a whole, the others are cut. */
  @Test
  void tensorsAreClippedAdaptively() throws Exception {
    ShardedRun run =
        new ShardedRun(
            MIXED,
            builder ->
                builder
                    .rule(Adam.adam())
                    .adaptiveClip(0.01)
                    .clipNorm(5)
                    .group(ParameterGroup.matching("p3").adaptiveClip(0))
                    .group(ParameterGroup.matching("p5").adaptiveClip(0.1, 2)));
    assertSame(run, 3, 1, 2, 3, 8);
  }

  @Test
  void groupsSchedulesAndScalersAreAsInOneProcess() throws Exception {
    ShardedRun run =
        new ShardedRun(
            FLOAT32,
            builder ->
                builder
                    .rule(Adam.adam())
                    .learningRate(Schedules.cosine(0.01, 20))
                    .schedule("beta1", Schedules.cosine(0.95, 14, 0.85))
                    .group(ParameterGroup.matching("p1").rule(NovoGrad.novoGrad()))
                    .group(ParameterGroup.matching("p2").learningRateFactor(3))
                    .group(ParameterGroup.matching("p3").rule(Momentum.heavyBall(0.9)))
                    .lossScaler(LossScaler.dynamic(4, 2, 0.5, 1))
                    .clipValue(2));
    assertSame(run, 3, 1, 2, 4, 7);
  }

  /** The correction of Adam's bias and the schedule know of the earlier steps. */
  @Test
  void stepsMayBeCountedFromEarlierOnes() throws Exception {
    List<String> bits = new ArrayList<>();
    for (long earlier : new long[] {0, 1000}) {
      ShardedRun run =
          new ShardedRun(
              FLOAT32,
              builder ->
                  builder
                      .rule(Adam.adam())
                      .learningRate(Schedules.cosine(0.01, 2000))
                      .startAfter(earlier));
      assertSame(run, 3, 1, 2, 3);
      bits.add(run.alone(3));
    }
    assertNotEquals(bits.get(0), bits.get(1));
  }

  @Test
  void microBatchesNeedNotFillTheLanes() throws Exception {
    for (int count : new int[] {1, 5, 11, 16}) {
      ShardedRun run = new ShardedRun(FLOAT32, builder -> builder.rule(Adam.adam()));
      assertSame(run.microBatches(count), 2, 1, 3, 4);
    }
  }

  @Test
  void lanesAreTheSharedBuildersMatter() throws Exception {
    Workers.IN_PROCESS.run(
        1,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = Parameters.on(device).add("p", new float[1]).build()) {
            IllegalStateException refused =
                assertThrows(
                    IllegalStateException.class,
                    () ->
                        Optimizer.of(parameters)
                            .rule(Sgd.sgd())
                            .learningRate(1)
                            .lanes(4)
                            .sharded(collective));
            assertTrue(refused.getMessage().startsWith("lanes is 4 of an optimizer that is not"));
            return null;
          }
        });
  }

  /** Which do not depend on how lanes begin: gradients of -0 alone add up to 0. */
  @Test
  void aSumStartsAtZero() throws Exception {
    for (boolean accumulates : new boolean[] {false, true}) {
      List<Float> firsts =
          Workers.IN_PROCESS.run(
              2,
              collective -> {
                try (Device device = Devices.cpu(1);
                    Parameters parameters =
                        Parameters.on(device).add("p", new float[4 * 4096]).build();
                    ShardedOptimizer optimizer =
                        Optimizer.of(parameters)
                            .rule(Sgd.sgd())
                            .learningRate(1)
                            .sharded(collective)
                            .build()) {
                  float[] zeros = new float[4 * 4096];
                  Arrays.fill(zeros, -0f);
                  parameters.get("p").gradients().copyFrom(zeros);
                  if (accumulates) {
                    optimizer.accumulate(collective.rank());
                  }
                  optimizer.step();
                  int own = collective.rank() * 2 * 4096;
                  return parameters.get("p").gradients().toFloats()[own];
                }
              });
      assertEquals(List.of(0f, 0f), firsts);
    }
  }

  @Test
  void processesHaveTheSameBits() throws Exception {
    ShardedRun run = new ShardedRun(MIXED, builder -> builder.rule(Adam.adamW()).clipNorm(1));
    String expected = run.alone(2);
    for (int size : new int[] {1, 2, 3, 4, 8}) {
      for (String bits : run.shared(Workers.TCP, size, 2)) {
        assertEquals(expected, bits, size + " workers");
      }
    }
  }

  /** ASGD is evaluated at an average of what it trains, others at one that is asked for. */
  static List<ShardedRun> averages() {
    return List.of(
        new ShardedRun(FLOAT32, builder -> builder.rule(Asgd.asgd().t0(0))),
        new ShardedRun(
            List.of(ElementType.BFLOAT16, ElementType.FLOAT32),
            builder -> builder.rule(Adam.adam()).average(0.5).masterWeights(MasterWeights.EXACT)));
  }

  @ParameterizedTest
  @MethodSource("averages")
  void allWorkersHaveTheWeightsToEvaluate(ShardedRun run) throws Exception {
    List<List<String>> seen =
        Workers.IN_PROCESS.run(
            3,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters = run.parameters(device, collective.rank());
                  ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
                run.steps(parameters, optimizer, 0, 2);
                optimizer.eval();
                String evaluated = ShardedRun.bits(parameters);
                assertThrows(EvaluationModeException.class, optimizer::step);
                optimizer.train();
                run.steps(parameters, optimizer, 2, 3);
                return List.of(evaluated, ShardedRun.bits(parameters));
              }
            });
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        Optimizer optimizer = run.optimizer(parameters)) {
      run.steps(parameters, optimizer, 0, 2);
      optimizer.eval();
      String evaluated = ShardedRun.bits(parameters);
      for (List<String> one : seen) {
        assertEquals(List.of(evaluated, run.alone(3)), one);
      }
    }
  }

  /** Counts the operations that an optimizer asks of a collective. */
  private static Collective counting(Collective collective, AtomicInteger operations) {
    return Proxies.of(
        Collective.class,
        (proxy, method, arguments) -> {
          operations.addAndGet(List.of("rank", "size").contains(method.getName()) ? 0 : 1);
          return Proxies.invoke(collective, method, arguments);
        });
  }

  /** At workers that have no share, too. */
  @Test
  void weightsAreExchangedWhereTheyAreSwappedAlone() throws Exception {
    List<UnaryOperator<OptimizerBuilder>> forms =
        List.of(builder -> builder, builder -> builder.average(0.5));
    for (UnaryOperator<OptimizerBuilder> form : forms) {
      boolean swaps = forms.indexOf(form) > 0;
      Workers.IN_PROCESS.run(
          3,
          collective -> {
            AtomicInteger operations = new AtomicInteger();
            try (Device device = Devices.cpu(1);
                Parameters parameters = Parameters.on(device).add("w", new float[10]).build();
                ShardedOptimizer optimizer =
                    form.apply(Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1))
                        .sharded(counting(collective, operations))
                        .build()) {
              float[] gradient = new float[10];
              Arrays.fill(gradient, 2);
              parameters.get("w").gradients().copyFrom(gradient);
              optimizer.step();
              operations.set(0);
              optimizer.train();
              assertEquals(0, operations.get());
              optimizer.eval();
              int once = operations.get();
              assertEquals(swaps, once > 0);
              assertEquals(swaps, !optimizer.isTraining());
              optimizer.eval();
              assertEquals(once, operations.get());
              float evaluated = parameters.get("w").values().toFloats()[9];
              assertEquals(swaps, evaluated > -6, "evaluated at " + evaluated);
              optimizer.train();
              assertEquals(2 * once, operations.get());
              assertEquals(-6, parameters.get("w").values().toFloats()[9]); // three workers' sum
              return null;
            }
          });
    }
  }

  /** With one lane for each worker gradients need not be accumulated. */
  @ParameterizedTest
  @EnumSource(Workers.class)
  void oneMicroBatchForEachNeedsNoAccumulation(Workers workers) throws Exception {
    for (boolean isFast : new boolean[] {false, true}) {
      List<float[]> values =
          workers.run(
              3,
              collective -> {
                try (Device device = Devices.cpu(1);
                    Parameters parameters =
                        Parameters.on(device).add("w", new float[9000]).build();
                    ShardedOptimizer optimizer =
                        fast(
                            Optimizer.of(parameters)
                                .rule(Sgd.sgd())
                                .learningRate(1)
                                .zeroGradients(true)
                                .sharded(collective),
                            isFast)) {
                  float[] gradient = new float[9000];
                  Arrays.fill(gradient, 1 + collective.rank());
                  for (int step = 0; step < 2; step++) {
                    parameters.get("w").gradients().copyFrom(gradient);
                    optimizer.step();
                    for (float left : parameters.get("w").gradients().toFloats()) {
                      assertEquals(0, left);
                    }
                  }
                  assertEquals(2, optimizer.stepCount());
                  return parameters.get("w").values().toFloats();
                }
              });
      for (float[] value : values) {
        for (float element : value) {
          assertEquals(-12, element);
        }
      }
    }
  }

  private static ShardedOptimizer fast(ShardedOptimizerBuilder builder, boolean isFast) {
    return isFast ? builder.fast().build() : builder.build();
  }

  @Test
  void aGradientThatIsNotFiniteSkipsTheStepAtAll() throws Exception {
    Workers.IN_PROCESS.run(
        3,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = Parameters.on(device).add("w", new float[20_000]).build();
              ShardedOptimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(Adam.adam())
                      .learningRate(1)
                      .lossScaler(LossScaler.dynamic())
                      .sharded(collective)
                      .build()) {
            float[] gradient = new float[20_000];
            gradient[7] = collective.rank() == 2 ? Float.NaN : 1;
            parameters.get("w").gradients().copyFrom(gradient);
            optimizer.step();
            assertTrue(optimizer.isLastStepSkipped());
            assertEquals(0, optimizer.stepCount());
            assertEquals(1, optimizer.skippedSteps());
            for (float value : parameters.get("w").values().toFloats()) {
              assertEquals(0, value);
            }
            parameters.get("w").gradients().copyFrom(new float[20_000]);
            optimizer.step();
            assertFalse(optimizer.isLastStepSkipped());
            assertEquals(1, optimizer.stepCount());
          }
          return null;
        });
  }

  @Test
  void eachWorkerHasItsShareOfTheStateAlone() throws Exception {
    List<Long> counts =
        Workers.IN_PROCESS.run(
            4,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters =
                      Parameters.on(device)
                          .add("embedding", new float[700_001])
                          .add("bias", new float[10])
                          .build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .sharded(collective)
                          .build()) {
                long count = 0;
                for (String name : List.of("embedding", "bias")) {
                  Shard shard = optimizer.shard(name);
                  assertEquals(0, shard.from() % 4096);
                  assertEquals(shard.count(), optimizer.state(name, "exp_avg").length());
                  count += shard.count();
                }
                return count;
              }
            });
    assertEquals(700_011, counts.stream().mapToLong(Long::longValue).sum());
    for (long count : counts) {
      assertTrue(count <= 0.26 * 700_011, "a worker has " + count);
    }
  }

  /** Every rule that works on single elements, and Adam with everything that is kept beside. */
  static Stream<UnaryOperator<OptimizerBuilder>> elementwise() {
    Stream<UnaryOperator<OptimizerBuilder>> ofRules =
        rules().stream()
            .filter(rule -> rule.sums().isEmpty() && rule.minDimensions() == 0)
            .map(rule -> builder -> builder.rule(rule));
    Stream<UnaryOperator<OptimizerBuilder>> stored =
        Stream.of(MasterWeights.values())
            .flatMap(
                masters ->
                    Stream.of(StateType.values())
                        .map(
                            state ->
                                builder ->
                                    builder
                                        .rule(Adam.adam())
                                        .masterWeights(masters)
                                        .stateType(state)
                                        .average(0.9)));
    return Stream.concat(ofRules, stored);
  }

  @ParameterizedTest
  @MethodSource("elementwise")
  void fourWorkersHaveAQuarterOfTheStateEach(UnaryOperator<OptimizerBuilder> form)
      throws Exception {
    long whole;
    try (Device device = Devices.cpu(1);
        Parameters parameters = large(device);
        Optimizer optimizer = form.apply(Optimizer.of(parameters).learningRate(1)).build()) {
      whole = optimizer.stateBytes();
    }
    List<Long> shares =
        Workers.IN_PROCESS.run(
            4,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters = large(device);
                  ShardedOptimizer optimizer =
                      form.apply(Optimizer.of(parameters).learningRate(1))
                          .sharded(collective)
                          .build()) {
                return optimizer.stateBytes();
              }
            });
    for (long share : shares) {
      assertTrue(share <= 0.26 * whole, "a worker has " + share + " of " + whole + " bytes");
    }
    long sum = shares.stream().mapToLong(Long::longValue).sum();
    assertTrue(sum >= 0.999 * whole, "all have " + sum + " of " + whole + " bytes");
  }

  private static Parameters large(Device device) {
    return Parameters.on(device)
        .add("embedding", ElementType.BFLOAT16, 700_001)
        .add("bias", ElementType.BFLOAT16, 10)
        .build();
  }

  /** What one worker may have been given that the others were not, with a word of the message. */
  static Map<String, UnaryOperator<OptimizerBuilder>> differences() {
    Map<String, UnaryOperator<OptimizerBuilder>> all = new LinkedHashMap<>();
    all.put("eps=0.001", builder -> builder.rule(Adam.adam().eps(1e-3)));
    all.put("masterWeights EXACT", builder -> builder.masterWeights(MasterWeights.EXACT));
    all.put("stateType INT8", builder -> builder.stateType(StateType.INT8));
    all.put("smallTensor 7", builder -> builder.stateType(StateType.FLOAT32, 7));
    all.put(
        "stateType bfloat16, smallTensor 0",
        builder -> builder.group(ParameterGroup.matching("w").stateType(StateType.BFLOAT16, 0)));
    all.put("averageDecay 0.5", builder -> builder.average(0.5));
    all.put("adaptive clip ", builder -> builder.adaptiveClip(0.5));
    all.put("learning rate: 2.0", builder -> builder.learningRate(2));
    all.put("learning rate: Step[", builder -> builder.learningRate(Schedules.step(0.1, 10, 0.5)));
    return all;
  }

  @Test
  void workersThatDifferAreNamed() throws Exception {
    for (Map.Entry<String, UnaryOperator<OptimizerBuilder>> one : differences().entrySet()) {
      List<Exception> failures =
          Workers.IN_PROCESS.failures(
              3,
              Workers.LIMIT,
              collective -> {
                try (Device device = Devices.cpu(1);
                    Parameters parameters =
                        Parameters.on(device).add("w", ElementType.BFLOAT16, 10).build()) {
                  OptimizerBuilder builder =
                      Optimizer.of(parameters).rule(Adam.adam()).learningRate(1);
                  return (collective.rank() == 1 ? one.getValue().apply(builder) : builder)
                      .sharded(collective)
                      .build();
                }
              });
      for (Exception failure : failures) {
        assertInstanceOf(WorkersDifferException.class, failure);
        String message = failure.getMessage();
        assertTrue(message.contains("worker 0 has '"), message);
        assertTrue(message.contains("worker 1 has '"), message);
        assertTrue(
            message.toLowerCase(Locale.ROOT).contains(one.getKey().toLowerCase(Locale.ROOT)),
            message);
      }
    }
  }

  /** What one worker may have in place of the model, with a word of the message. */
  static Map<String, UnaryOperator<ParametersBuilder>> otherModels() {
    Map<String, UnaryOperator<ParametersBuilder>> all = new LinkedHashMap<>();
    all.put("\"x\": float32", builder -> builder.add("x", new float[12]));
    all.put("[13]", builder -> builder.add("w", new float[13]));
    all.put("[3, 4]", builder -> builder.add("w", new float[12]).shape("w", 3, 4));
    all.put("float64", builder -> builder.add("w", new double[12]));
    all.put(
        "gradients bfloat16",
        builder -> builder.gradientType(ElementType.BFLOAT16).add("w", new float[12]));
    all.put("\"b\"", builder -> builder.add("w", new float[12]).add("b", new float[1]));
    return all;
  }

  @Test
  void modelsThatDifferAreNamed() throws Exception {
    for (Map.Entry<String, UnaryOperator<ParametersBuilder>> one : otherModels().entrySet()) {
      List<Exception> failures =
          Workers.IN_PROCESS.failures(
              3,
              Workers.LIMIT,
              collective -> {
                try (Device device = Devices.cpu(1)) {
                  ParametersBuilder builder = Parameters.on(device);
                  try (Parameters parameters =
                      (collective.rank() == 2
                              ? one.getValue().apply(builder)
                              : builder.add("w", new float[12]))
                          .build()) {
                    return Optimizer.of(parameters)
                        .rule(Adam.adam())
                        .learningRate(1)
                        .sharded(collective)
                        .build();
                  }
                }
              });
      for (Exception failure : failures) {
        assertInstanceOf(WorkersDifferException.class, failure);
        String message = failure.getMessage();
        assertTrue(message.contains("worker 0 has '"), message);
        assertTrue(message.contains("worker 2 has '"), message);
        assertTrue(message.substring(message.indexOf("worker 2")).contains(one.getKey()), message);
      }
    }
  }

  /** Worker 1 says what another release would begin with. */
  @Test
  void otherVersionsAreNamed() throws Exception {
    List<Exception> failures =
        Workers.IN_PROCESS.failures(
            2,
            Workers.LIMIT,
            collective -> {
              if (collective.rank() == 1) {
                collective.requireSame("what is trained", "warmstep 99.0\n");
              }
              try (Device device = Devices.cpu(1);
                  Parameters parameters = Parameters.on(device).add("w", new float[12]).build()) {
                return Optimizer.of(parameters)
                    .rule(Adam.adam())
                    .learningRate(1)
                    .sharded(collective)
                    .build();
              }
            });
    for (Exception failure : failures) {
      assertInstanceOf(WorkersDifferException.class, failure);
      String message = failure.getMessage();
      assertTrue(message.matches(".*worker 0 has 'warmstep \\d+\\.\\d+.*"), message);
      assertTrue(message.endsWith("worker 1 has 'warmstep 99.0'"), message);
    }
  }

  @Test
  void aStepThatDiffersIsRefusedAtAll() throws Exception {
    List<Exception> failures =
        Workers.IN_PROCESS.failures(
            2,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters = Parameters.on(device).add("w", new float[10]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .sharded(collective)
                          .build()) {
                optimizer.step();
                if (collective.rank() == 1) {
                  optimizer.learningRate(2);
                }
                optimizer.step();
                return null;
              }
            });
    for (Exception failure : failures) {
      assertInstanceOf(WorkersDifferException.class, failure);
      assertTrue(
          failure.getMessage().contains("learning rate 1.0, and worker 1 step 2"),
          failure.getMessage());
    }
  }

  /** Which nothing at the start can show: a lambda says nothing of itself. */
  @Test
  void aScheduleThatDiffersIsRefusedAtAll() throws Exception {
    List<Exception> failures =
        Workers.IN_PROCESS.failures(
            3,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters = Parameters.on(device).add("w", new float[10]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .schedule("beta2", step -> 0.99)
                          .schedule("beta1", step -> collective.rank() == 2 ? 0.9 : 0.9 / step)
                          .sharded(collective)
                          .build()) {
                optimizer.step();
                assertEquals(1, optimizer.stepCount());
                optimizer.step();
                return null;
              }
            });
    for (Exception failure : failures) {
      assertInstanceOf(WorkersDifferException.class, failure);
      String message = failure.getMessage();
      assertTrue(message.contains("1.0 and {beta1=0.45, beta2=0.99}, and worker 2"), message);
      assertTrue(message.endsWith("1.0 and {beta1=0.9, beta2=0.99}"), message);
    }
  }

  /** Before workers compare what they train. */
  @Test
  void aMissingRuleOrRateIsNamed() {
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("w", new float[10]).build()) {
      Collective collective = Collectives.inProcess(1).get(0);
      for (OptimizerBuilder builder :
          List.of(
              Optimizer.of(parameters).learningRate(1), Optimizer.of(parameters).rule(Sgd.sgd()))) {
        String expected = assertThrows(IllegalStateException.class, builder::build).getMessage();
        assertEquals(
            expected,
            assertThrows(IllegalStateException.class, builder.sharded(collective)::build)
                .getMessage());
      }
    }
  }

  @Test
  void whatWasForgottenOrCannotBeIsRefused() throws Exception {
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = Parameters.on(device).add("w", new float[10]).build();
              ShardedOptimizer optimizer =
                  Optimizer.of(parameters)
                      .rule(Adam.adam())
                      .learningRate(1)
                      .sharded(collective)
                      .lanes(4)
                      .build()) {
            String forgotten =
                assertThrows(IllegalStateException.class, optimizer::step).getMessage();
            assertTrue(forgotten.contains("call accumulate(microBatch)"), forgotten);
            int own = 2 * collective.rank();
            int other = 2 - own;
            String foreign =
                assertThrows(IllegalArgumentException.class, () -> optimizer.accumulate(other))
                    .getMessage();
            assertTrue(foreign.startsWith("microBatch is " + other), foreign);
            optimizer.accumulate(2L * collective.rank());
            optimizer.step(); // nothing has changed by that
            assertThrows(
                IllegalArgumentException.class,
                () -> Optimizer.of(parameters).sharded(collective).lanes(1));
            return null;
          }
        });
  }

  /** Nobody steps alone: a worker ends while the others wait for its gradients. */
  @ParameterizedTest
  @EnumSource(Workers.class)
  void aWorkerThatEndsIsMissedByAll(Workers workers) throws Exception {
    List<Exception> failures =
        workers.failures(
            3,
            Workers.LIMIT,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters =
                      Parameters.on(device).add("w", new float[20_000]).build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .sharded(collective)
                          .build()) {
                optimizer.step();
                if (collective.rank() == 1) {
                  return null;
                }
                try {
                  optimizer.step();
                } finally {
                  assertEquals(1, optimizer.stepCount());
                  String why =
                      assertThrows(CollectiveException.class, optimizer::step).getMessage();
                  assertEquals(
                      why, assertThrows(CollectiveException.class, optimizer::step).getMessage());
                }
                return null;
              }
            });
    assertInstanceOf(CollectiveException.class, failures.get(0));
    assertInstanceOf(CollectiveException.class, failures.get(2));
  }

  @Test
  void theFastOrderGivesTheSameSumsButForRounding() throws Exception {
    List<float[]> values =
        Workers.IN_PROCESS.run(
            3,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters =
                      Parameters.on(device)
                          .add("w", ElementType.BFLOAT16, new float[9000])
                          .build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Sgd.sgd())
                          .learningRate(1)
                          .sharded(collective)
                          .fast()
                          .build()) {
                for (int j = 0; j < 7; j++) {
                  if (optimizer.isMine(j)) {
                    float[] gradient = new float[9000];
                    Arrays.fill(gradient, 1 << j);
                    parameters.get("w").gradients().copyFrom(gradient);
                    optimizer.accumulate(j);
                  }
                }
                optimizer.step();
                return parameters.get("w").values().toFloats();
              }
            });
    for (float[] value : values) {
      for (float element : value) {
        assertEquals(-127, element);
      }
    }
  }
}
