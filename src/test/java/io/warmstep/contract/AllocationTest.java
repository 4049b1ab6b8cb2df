package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Allocations;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.Shapes;
import io.warmstep.testkit.StoredForm;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * After the first steps, a step allocates no bytes: not in the caller, not in a device's threads.
 */
public class AllocationTest {
  private static final int STEPS = 200;

  /** Two chunks or more on the processor, so that its threads take part. */
  private static final int LENGTH = 40_000;

  private static final int LENGTH_ELSEWHERE = 5000;

  /** Where a simulated device would take long for products, which allocate alike at any length. */
  private static final int LENGTH_OF_MATRICES_ELSEWHERE = 300;

  static Stream<Arguments> backendsAndRules() {
    // What a rule itself does for a step is done alike on all backends.
    List<UpdateRule> rules =
        ContractBackend.all().get(0).takesArrays() ? RuleMatrix.rich() : RuleMatrix.ofEachShape();
    return ContractBackend.inTurn(rules);
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndRules")
  void aStepAllocatesNothing(ContractBackend backend, UpdateRule rule) {
    int elsewhere = rule.matrix().isPresent() ? LENGTH_OF_MATRICES_ELSEWHERE : LENGTH_ELSEWHERE;
    try (Parameters parameters =
            parameters(backend, rule, backend.takesArrays() ? LENGTH : elsewhere);
        Optimizer plain = Optimizer.of(parameters).rule(rule).learningRate(1e-3).build();
        Optimizer full = full(parameters, rule)) {
      assertNoAllocation(Optimizer::step, plain, full);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void accumulatingAllocatesNothing(ContractBackend backend) {
    try (Parameters parameters = parameters(backend, Adam.adam());
        Optimizer plain =
            Optimizer.of(parameters).rule(Adam.adam()).learningRate(1e-3).lanes(2).build();
        Optimizer full = full(parameters, Adam.adamW())) {
      assertNoAllocation(
          optimizer -> {
            for (int j = 0; j < 3; j++) {
              optimizer.accumulate();
            }
            optimizer.step();
          },
          plain,
          full);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void adaptiveClippingAllocatesNothing(ContractBackend backend) {
    try (Parameters parameters = parameters(backend, Adam.adamW());
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adamW())
                .learningRate(1e-3)
                .adaptiveClip(0.01)
                .group(ParameterGroup.matching("*.bias").adaptiveClip(0))
                .build()) {
      assertNoAllocation(Optimizer::step, optimizer);
    }
  }

  static Stream<Arguments> backendsAndMasters() {
    List<Masters> cases = new ArrayList<>();
    for (UpdateRule rule : List.of(Adam.adamW(), Lamb.lamb())) {
      for (MasterWeights kind : List.of(MasterWeights.EXACT, MasterWeights.BITS_24)) {
        for (Rounding rounding : Rounding.values()) {
          cases.add(new Masters(rule, kind, rounding));
        }
      }
    }
    return ContractBackend.inTurn(cases);
  }

  private record Masters(UpdateRule rule, MasterWeights kind, Rounding rounding) {}

  /** What is stored in ways of its own is converted in memory that is there. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndMasters")
  void aStepWithMastersAllocatesNothing(ContractBackend backend, Masters masters) {
    int length = backend.takesArrays() ? LENGTH : LENGTH_ELSEWHERE;
    try (Parameters parameters =
            Parameters.on(backend.shared())
                .add("w", ElementType.BFLOAT16, length)
                .add("b", ElementType.BFLOAT16, 11)
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(masters.rule)
                .learningRate(1e-3)
                .masterWeights(masters.kind)
                .stateType(StateType.INT8)
                .rounding(masters.rounding)
                .average(0.999)
                .build()) {
      assertNoAllocation(Optimizer::step, optimizer);
    }
  }

  static Stream<Arguments> backendsAndForms() {
    return ContractBackend.inTurn(StoredForm.ofEachChoice());
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void howeverNumbersAreStored(ContractBackend backend, StoredForm form) {
    try (Parameters parameters =
            form.parameters(backend.shared(), backend.takesArrays() ? LENGTH : LENGTH_ELSEWHERE);
        Optimizer optimizer = form.optimizer(parameters, Adam.adamW())) {
      assertNoAllocation(Optimizer::step, optimizer);
    }
  }

  private static Optimizer full(Parameters parameters, UpdateRule rule) {
    OptimizerBuilder builder =
        Optimizer.of(parameters)
            .rule(rule)
            .learningRate(Schedules.cosine(1e-3, 5000).warmUp(100))
            .clipNorm(1)
            .clipValue(0.5)
            .zeroGradients(true)
            .lossScaler(LossScaler.dynamic());
    if (rule.movable().contains("weightDecay")) {
      builder.schedule("weightDecay", Schedules.linear(0.1, 1, 0.5, 1000));
      builder.group(ParameterGroup.matching("*.bias").weightDecay(0));
    } else {
      builder.group(ParameterGroup.matching("*.bias").learningRateFactor(0.5));
    }
    return builder.build();
  }

  private static Parameters parameters(ContractBackend backend, UpdateRule rule) {
    return parameters(backend, rule, backend.takesArrays() ? LENGTH : LENGTH_ELSEWHERE);
  }

  /** Of the types that a rule's programs are there in, a pair of a matrix and a bias. */
  private static Parameters parameters(ContractBackend backend, UpdateRule rule, int length) {
    ParametersBuilder builder = Parameters.on(backend.shared());
    List<ElementType> types = backend.typesFor(rule);
    for (ElementType type : types) {
      int ofWeight = type == types.get(0) ? length : 500;
      builder.add(type + ".weight", type, ofWeight).shape(type + ".weight", Shapes.of(ofWeight));
      builder.add(type + ".bias", type, 10).shape(type + ".bias", Shapes.of(10));
    }
    if (backend.takesArrays()) {
      builder.borrow("borrowed", new float[100], new float[100]);
      builder.shape("borrowed", Shapes.of(100));
    }
    return builder.build();
  }

  private static void assertNoAllocation(Consumer<Optimizer> step, Optimizer... optimizers) {
    run(step, optimizers, 100);
    long bytes = Allocations.fewest(() -> run(step, optimizers, STEPS));
    assertEquals(0, bytes, "bytes allocated in " + STEPS + " steps");
  }

  private static void run(Consumer<Optimizer> step, Optimizer[] optimizers, int steps) {
    for (int i = 0; i < steps; i++) {
      for (Optimizer optimizer : optimizers) {
        step.accept(optimizer);
      }
    }
  }
}
