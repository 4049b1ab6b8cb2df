package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Sgd;
import io.warmstep.testkit.ContractBackend;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a parameter group changes, and that it changes it for its members only. */
class GroupsTest {
  private static final String ALL = "io.warmstep.testkit.ContractBackend#all";

  private static Parameters ones(Device device, String... names) {
    ParametersBuilder builder = Parameters.on(device);
    for (String name : names) {
      builder.add(name, new float[] {1, 1});
    }
    Parameters parameters = builder.build();
    parameters.forEach(parameter -> parameter.gradients().copyFrom(new float[] {1, -1}));
    return parameters;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void factorsAndWeightDecay(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = ones(device, "a.weight", "a.bias", "b.weight", "b.bias", "head");
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd().weightDecay(0.5))
                .learningRate(0.25)
                .group(ParameterGroup.matching("*.bias").weightDecay(0).learningRateFactor(2))
                .group(ParameterGroup.matching("hea?").learningRateFactor(0))
                .build()) {
      optimizer.step();
      float[] decayed = {1 - 0.25f * 1.5f, 1 - 0.25f * -0.5f};
      float[] bias = {0.5f, 1.5f};
      assertArrayEquals(decayed, parameters.get("a.weight").values().toFloats());
      assertArrayEquals(decayed, parameters.get("b.weight").values().toFloats());
      assertArrayEquals(bias, parameters.get("a.bias").values().toFloats());
      assertArrayEquals(bias, parameters.get("b.bias").values().toFloats());
      assertArrayEquals(new float[] {1, 1}, parameters.get("head").values().toFloats());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void stateIsOnlyWhereTheGroupsRuleHasIt(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = ones(device, "plain", "max", "other");
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .group(ParameterGroup.matching("max").rule(Adam.adam().amsgrad(true)))
                .build()) {
      assertEquals(List.of("exp_avg", "exp_avg_sq"), optimizer.stateNames("plain"));
      assertEquals(List.of("exp_avg", "exp_avg_sq"), optimizer.stateNames("other"));
      assertEquals(List.of("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), optimizer.stateNames("max"));
      optimizer.step();
      assertArrayEquals(
          optimizer.state("max", "exp_avg_sq").toFloats(),
          optimizer.state("max", "max_exp_avg_sq").toFloats());
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class, () -> optimizer.state("plain", "max_exp_avg_sq"));
      assertEquals(
          "parameter \"plain\" has no state \"max_exp_avg_sq\": it has exp_avg, exp_avg_sq",
          e.getMessage());
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void patternsMatchWholeNamesLiterally(ContractBackend backend) {
    String emoji = "emb\uD83D\uDE00.weight";
    try (Device device = backend.open();
        Parameters parameters = ones(device, "a.b", "axb", "a.bc", emoji, "line\nbreak");
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .group(ParameterGroup.matching("a.b").learningRateFactor(0))
                .group(ParameterGroup.matching("emb\uD83D\uDE00.*").learningRateFactor(0))
                .group(ParameterGroup.matching("line*").learningRateFactor(0))
                .build()) {
      optimizer.step();
      for (String frozen : List.of("a.b", emoji, "line\nbreak")) {
        assertEquals(1f, parameters.get(frozen).values().toFloats()[0], frozen);
      }
      for (String moved : List.of("axb", "a.bc")) {
        assertEquals(0f, parameters.get(moved).values().toFloats()[0], moved);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void stateStartsAtZeroAndCanBeWritten(ContractBackend backend) {
    try (Device device = backend.open();
        Parameters parameters = ones(device, "p");
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Adam.adam().eps(0)).learningRate(0.5).build()) {
      assertArrayEquals(new float[2], optimizer.state("p", "exp_avg").toFloats());
      assertEquals(2, optimizer.state("p", "exp_avg").length());
      optimizer.state("p", "exp_avg").copyFrom(new float[] {9, 9});
      optimizer.step();
      double[] m = optimizer.state("p", "exp_avg").toDoubles();
      assertEquals(0.9 * 9 + 0.1, m[0], 1e-5);
      assertEquals(0.9 * 9 - 0.1, m[1], 1e-5);
      assertTrue(parameters.get("p").values().toFloats()[1] < 1, "the written state was used");
    }
  }
}
