package io.warmstep.contract;

import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.Placement;
import io.warmstep.testkit.RuleMatrix;
import io.warmstep.testkit.TestModel;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Groups of one optimizer under rules of different kinds, each with the bits of its own rule. */
class RulePerGroupTest {
  private static final long SEED = 20_261_126;
  private static final double RATE = 0.0625;

  /** Every rule, and others of the same name with other state. */
  private static List<UpdateRule> rules() {
    List<UpdateRule> rules = new ArrayList<>(RuleMatrix.unclipped());
    rules.add(Adam.adamW().amsgrad(true));
    rules.add(RmsProp.rmsProp().centered(true).maximize(true));
    return rules;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#representatives")
  void eachGroupHasTheBitsOfItsRule(ContractBackend backend) {
    check(backend, rules(), rules().size(), 40);
  }

  /** More groups of one rule than a launch takes, which is 16. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("io.warmstep.testkit.ContractBackend#all")
  void manyGroups(ContractBackend backend) {
    List<UpdateRule> rules =
        List.of(Adam.adamW().amsgrad(true), RmsProp.rmsProp(), Lamb.lamb().maxGradNorm(0));
    check(backend, rules, 20 * rules.size(), 150);
  }

  private static void check(
      ContractBackend backend, List<UpdateRule> rules, int groups, int tensors) {
    SplittableRandom random = new SplittableRandom(SEED);
    try (TestModel model = new TestModel(backend.shared())) {
      List<Placement> placements = backend.placements();
      for (int i = 0; i < tensors; i++) {
        List<ElementType> types = backend.typesFor(rules.get(i % groups % rules.size()));
        ElementType type = types.get(random.nextInt(types.size()));
        Placement placement =
            random.nextBoolean()
                ? Placement.OWNED
                : placements.get(random.nextInt(placements.size()));
        model.add(
            name(i, groups), type, placement, Numbers.ordinary(random, type, random.nextInt(200)));
      }
      // The optimizer's own rule is that of group 0.
      OptimizerBuilder builder =
          Optimizer.of(model.parameters()).rule(rules.get(0)).learningRate(RATE);
      for (int group = 1; group < Math.min(groups, tensors); group++) {
        builder.group(
            ParameterGroup.matching("g" + group + ".*").rule(rules.get(group % rules.size())));
      }
      for (int i = 0; i < tensors; i++) {
        model.follow(name(i, groups), rules.get(i % groups % rules.size()));
      }
      try (Optimizer optimizer = builder.zeroGradients(true).build()) {
        for (int step = 1; step <= 3; step++) {
          for (int i = 0; i < tensors; i++) {
            String name = name(i, groups);
            ElementType type = model.parameters().get(name).values().type();
            double[] gradients =
                Numbers.ordinary(random, type, (int) model.parameters().get(name).length());
            model.gradients(name, gradients);
            model.reference(name).step(step, RATE, gradients);
          }
          optimizer.step();
          model.check(optimizer, "seed " + SEED);
        }
      }
    }
  }

  private static String name(int tensor, int groups) {
    return "g" + tensor % groups + "." + tensor;
  }
}
