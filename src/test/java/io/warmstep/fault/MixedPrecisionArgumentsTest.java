package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adagrad;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.Lars;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Rprop;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** What cannot be had is refused when an optimizer is built; nothing is left out in silence. */
class MixedPrecisionArgumentsTest {
  private static final String NOTHING_TO_ROUND =
      "rounding is stochastic, must be nearest where a step stores neither bfloat16 nor squares in"
          + " int8: store parameters without a master or state so, that of small ones with a lower"
          + " smallTensor, keep masters of 24 bits, or leave it out";

  private static String refusal(
      ElementType values,
      ElementType gradients,
      UpdateRule rule,
      UnaryOperator<OptimizerBuilder> wishes) {
    try (Device device = Devices.cpu();
        Parameters parameters =
            Parameters.on(device).gradientType(gradients).add("w", values, 8).build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(rule).learningRate(0.1);
      return assertThrows(IllegalArgumentException.class, () -> wishes.apply(builder).build())
          .getMessage();
    }
  }

  @Test
  void mastersOfFloat32() {
    assertEquals(
        "masterWeights is exact, must be none for parameters that are all float32 or float64,"
            + " which have all of their bits: store them as bfloat16 or float16, or leave masters out",
        refusal(
            ElementType.FLOAT32,
            ElementType.FLOAT32,
            Adam.adam(),
            builder -> builder.masterWeights(MasterWeights.EXACT)));
  }

  @Test
  void mastersOf24Bits() {
    assertEquals(
        "masterWeights is 24bit, must be none for parameters that are all float32 or float64,"
            + " which have all of their bits: store them as bfloat16, or leave masters out",
        refusal(
            ElementType.FLOAT64,
            ElementType.FLOAT64,
            Adam.adam(),
            builder -> builder.masterWeights(MasterWeights.BITS_24)));
    for (Rounding rounding : Rounding.values()) {
      assertEquals(
          "masterWeights is 24bit, must be exact or none for the float16 parameter \"w\", whose bits"
              + " are not the upper ones of a float32, as a bfloat16's are: keep exact"
              + " masters, or store it as bfloat16",
          refusal(
              ElementType.FLOAT16,
              ElementType.FLOAT32,
              Adam.adam(),
              builder -> builder.masterWeights(MasterWeights.BITS_24).rounding(rounding)));
    }
  }

  @Test
  void mastersUnderLookahead() {
    for (MasterWeights masters : List.of(MasterWeights.EXACT, MasterWeights.BITS_24)) {
      assertEquals(
          "masterWeights is "
              + masters
              + ", must be none for the parameter \"w\" under rule adam with lookahead, since slow"
              + " weights move the parameter as it is stored, and a master would not follow: leave it"
              + " out, or use adam without lookahead",
          refusal(
              ElementType.BFLOAT16,
              ElementType.BFLOAT16,
              Lookahead.around(Adam.adam()),
              builder -> builder.masterWeights(masters)));
    }
  }

  @Test
  void averagesUnderLookahead() {
    assertEquals(
        "average is 0.9, must be left out for the parameter \"w\" under rule adam with lookahead,"
            + " since slow weights move the parameter as it is stored, and a separate average would"
            + " not follow: leave it out, or use adam without lookahead",
        refusal(
            ElementType.FLOAT32,
            ElementType.FLOAT32,
            Lookahead.around(Adam.adam()),
            builder -> builder.average(0.9)));
  }

  @Test
  void stateOfRulesWithoutMoments() {
    Map<UpdateRule, ElementType> without =
        Map.of(
            Sgd.sgd(), ElementType.FLOAT32,
            Lars.lars(), ElementType.FLOAT32,
            Adafactor.adafactor(), ElementType.FLOAT64,
            Adam.adam(), ElementType.FLOAT64);
    without.forEach(
        (rule, type) ->
            assertEquals(
                "stateType is bfloat16, must be float32 for rules whose state has no moments, as that"
                    + " of "
                    + rule.name()
                    + ", and for float64 parameters, since only running averages of elements, in"
                    + " float32, are stored in fewer bits: choose a rule with moments, such as adam,"
                    + " or leave it out",
                refusal(type, type, rule, builder -> builder.stateType(StateType.BFLOAT16))));
  }

  @Test
  void typesOfAGroupThatIsSummed() {
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .add("w", new float[8])
                .add("v", new float[8])
                .add("d", new double[8])
                .build()) {
      OptimizerBuilder builder = Optimizer.of(parameters).rule(Prodigy.prodigy()).learningRate(1);
      assertEquals(
          "type of \"d\" is float64, must be float32, as \"w\" is, since prodigy adds up over all"
              + " parameters of a group: put parameters of each type into a group of their own",
          assertThrows(IllegalArgumentException.class, builder::build).getMessage());
      try (Optimizer optimizer = builder.group(ParameterGroup.matching("d")).build()) {
        assertEquals(0, optimizer.stepCount());
      }
    }
  }

  @Test
  void stateWhoseLowBitsCount() {
    Map<UpdateRule, String> exact =
        Map.of(
            Adagrad.adagrad(), "adagrad (sum)",
            Rprop.rprop(), "rprop (prev, step_size)",
            Asgd.asgd(), "asgd (ax)",
            ScheduleFreeSgd.scheduleFreeSgd(), "schedulefreesgd (z)");
    exact.forEach(
        (rule, state) -> {
          for (StateType type : new StateType[] {StateType.BFLOAT16, StateType.INT8}) {
            assertEquals(
                "stateType is "
                    + type
                    + ", must be float32 for the state of "
                    + state
                    + ", which is no running average: in fewer bits, what a step adds to a sum that"
                    + " only grows, to a step size or to weights would be lost: choose a rule with"
                    + " moments, such as adam, or leave it out",
                refusal(
                    ElementType.FLOAT32,
                    ElementType.FLOAT32,
                    rule,
                    builder -> builder.stateType(type)));
            assertEquals(
                "stateType of group w is "
                    + type
                    + ", must be float32 for the state of "
                    + state
                    + ", which is no running average: in fewer bits, what a step adds to a sum that"
                    + " only grows, to a step size or to weights would be lost: choose a rule with"
                    + " moments, such as adam, or leave it out",
                refusal(
                    ElementType.FLOAT32,
                    ElementType.FLOAT32,
                    Adam.adam(),
                    builder ->
                        builder.group(ParameterGroup.matching("w").rule(rule).stateType(type))));
          }
        });
  }

  @Test
  void stateOfGroupsWithoutMoments() {
    assertEquals(
        "stateType of group w is int8, must be float32 for rules whose state has no moments, as that"
            + " of sgd, and for float64 parameters, since only running averages of elements, in float32,"
            + " are stored in fewer bits: choose a rule with moments, such as adam, or leave it out",
        refusal(
            ElementType.FLOAT32,
            ElementType.FLOAT32,
            Adam.adam(),
            builder ->
                builder.group(
                    ParameterGroup.matching("w").rule(Sgd.sgd()).stateType(StateType.INT8))));
    assertEquals(
        "stateType is int8, must be float32 where each group has a state type of its own: leave it"
            + " out",
        refusal(
            ElementType.FLOAT32,
            ElementType.FLOAT32,
            Adam.adam(),
            builder ->
                builder
                    .stateType(StateType.INT8)
                    .group(ParameterGroup.matching("w").stateType(StateType.BFLOAT16))));
    assertEquals(
        NOTHING_TO_ROUND,
        refusal(
            ElementType.FLOAT32,
            ElementType.FLOAT32,
            Adam.adam(),
            builder ->
                builder
                    .rounding(Rounding.STOCHASTIC)
                    .group(ParameterGroup.matching("w").stateType(StateType.FLOAT32))));
    ParameterGroup group = ParameterGroup.matching("w");
    assertEquals(
        "smallTensor is -1, must be at least 0: pass 0 for all parameters",
        assertThrows(IllegalArgumentException.class, () -> group.stateType(StateType.INT8, -1))
            .getMessage());
    assertEquals(
        "group w: stateType int8, smallTensor 7", group.stateType(StateType.INT8, 7).toString());
  }

  /** Float32 in a group keeps it from the optimizer's type, of which the rest has use. */
  @Test
  void groupsMayKeepFloat32() {
    try (Device device = Devices.cpu();
        Parameters parameters =
            Parameters.on(device).add("w", new float[8]).add("bias", new float[8]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .stateType(StateType.BFLOAT16, 0)
                .group(ParameterGroup.matching("bias").stateType(StateType.FLOAT32))
                .build()) {
      assertEquals(ElementType.BFLOAT16, optimizer.state("w", "exp_avg").type());
      assertEquals(ElementType.FLOAT32, optimizer.state("bias", "exp_avg").type());
    }
  }

  /** The threshold unless one is given: 4096 elements are not small, 4095 are. */
  @Test
  void fromWhereOnStateIsNarrow() {
    try (Device device = Devices.cpu();
        Parameters parameters =
            Parameters.on(device)
                .add("w4095", new float[4095])
                .add("w4096", new float[4096])
                .add("group4095", new float[4095])
                .add("group4096", new float[4096])
                .build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .stateType(StateType.BFLOAT16)
                .group(ParameterGroup.matching("group*").stateType(StateType.BFLOAT16))
                .build()) {
      for (String prefix : List.of("w", "group")) {
        assertEquals(ElementType.FLOAT32, optimizer.state(prefix + 4095, "exp_avg").type());
        assertEquals(ElementType.BFLOAT16, optimizer.state(prefix + 4096, "exp_avg").type());
      }
    }
  }

  /** Nothing of 8 elements reaches the threshold of 4096, or one of 9. */
  @Test
  void stateTypesOfSmallParametersAlone() {
    for (StateType type : List.of(StateType.BFLOAT16, StateType.INT8)) {
      for (Rounding rounding : Rounding.values()) {
        assertEquals(
            "stateType is "
                + type
                + ", must be float32 for parameters of fewer than 4096 elements, as all are that it"
                + " is for, the largest with 8: pass a smallTensor of at most 8, or leave it out",
            refusal(
                ElementType.FLOAT32,
                ElementType.FLOAT32,
                Adam.adam(),
                builder -> builder.stateType(type).rounding(rounding)));
      }
      assertEquals(
          "stateType is "
              + type
              + ", must be float32 for parameters of fewer than 9 elements, as all are that it is"
              + " for, the largest with 8: pass a smallTensor of at most 8, or leave it out",
          refusal(
              ElementType.BFLOAT16,
              ElementType.BFLOAT16,
              Adam.adam(),
              builder -> builder.stateType(type, 9).rounding(Rounding.STOCHASTIC)));
    }
  }

  /** Large parameters that have no moments, or a type of their own, are no use for the rest. */
  @Test
  void stateTypesForTheSmallOnesAmongParameters() {
    try (Device device = Devices.cpu();
        Parameters parameters =
            Parameters.on(device)
                .add("w", new float[8])
                .add("b", new float[3])
                .add("plain", new float[5000])
                .add("typed", new float[5000])
                .add("double", new double[5000])
                .build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters)
              .rule(Adam.adam())
              .learningRate(0.1)
              .group(ParameterGroup.matching("plain").rule(Sgd.sgd()))
              .group(ParameterGroup.matching("typed").stateType(StateType.BFLOAT16));
      assertEquals(
          "stateType is int8, must be float32 for parameters of fewer than 4096 elements, as all are"
              + " that it is for, the largest with 8: pass a smallTensor of at most 8, or leave it"
              + " out",
          assertThrows(
                  IllegalArgumentException.class, () -> builder.stateType(StateType.INT8).build())
              .getMessage());
      try (Optimizer optimizer = builder.stateType(StateType.INT8, 8).build()) {
        assertEquals(8, optimizer.state("w", "exp_avg").length());
      }
    }
  }

  /**
   * What a group's own type says of its small parameters is no slip: they may be those that a
   * pattern matches in one model of many.
   */
  @Test
  void groupsOfSmallParametersMayHaveAStateType() {
    try (Device device = Devices.cpu();
        Parameters parameters =
            Parameters.on(device).add("w", new float[4096]).add("b", new float[8]).build();
        Parameters more = Parameters.on(device).add("b2", new float[8]).build()) {
      ParameterGroup biases = ParameterGroup.matching("b*").stateType(StateType.INT8);
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).group(biases);
      try (Optimizer optimizer = builder.build()) {
        optimizer.groups().add(more, biases);
        assertEquals(ElementType.FLOAT32, optimizer.state("b", "exp_avg").type());
        assertEquals(ElementType.FLOAT32, optimizer.state("b2", "exp_avg").type());
      }
      assertEquals(
          NOTHING_TO_ROUND,
          assertThrows(
                  IllegalArgumentException.class,
                  () -> builder.rounding(Rounding.STOCHASTIC).build())
              .getMessage());
    }
  }

  /** Small parameters of an optimizer that has larger ones, whenever they come. */
  @Test
  void smallParametersMayBeAddedLater() {
    try (Device device = Devices.cpu();
        Parameters parameters = Parameters.on(device).add("w", new float[4096]).build();
        Parameters more = Parameters.on(device).add("b", new float[8]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .stateType(StateType.INT8)
                .rounding(Rounding.STOCHASTIC)
                .build()) {
      optimizer.groups().add(more, ParameterGroup.matching("b").weightDecay(0.1));
      assertEquals(ElementType.FLOAT32, optimizer.state("b", "exp_avg").type());
    }
  }

  @Test
  void randomRoundingOfNothing() {
    assertEquals(
        NOTHING_TO_ROUND,
        refusal(
            ElementType.BFLOAT16,
            ElementType.BFLOAT16,
            Adam.adam(),
            builder -> builder.masterWeights(MasterWeights.EXACT).rounding(Rounding.STOCHASTIC)));
    assertEquals(
        NOTHING_TO_ROUND,
        refusal(
            ElementType.FLOAT32,
            ElementType.FLOAT32,
            Momentum.heavyBall(0.9),
            builder -> builder.stateType(StateType.INT8, 0).rounding(Rounding.STOCHASTIC)));
    assertEquals(
        "rounding is stochastic, must be nearest for the float16 parameter \"w\" without a master,"
            + " since random bits are added below a bfloat16's, which are the upper ones of a"
            + " float32: keep a master of it, or store it as bfloat16",
        refusal(
            ElementType.FLOAT16,
            ElementType.FLOAT16,
            Adam.adam(),
            builder -> builder.rounding(Rounding.STOCHASTIC)));
  }

  /** Each option is refused by its own name, whichever others are fine. */
  @Test
  void rulesOfOneType() {
    for (UpdateRule rule : List.of(Prodigy.prodigy(), Adafactor.adafactor())) {
      String under =
          " under rule "
              + rule.name()
              + ", since the kernels of "
              + (rule.isFactored() ? "factors" : "sums over a group")
              + " take all in one type, round to nearest, and have nothing beside it: ";
      String reason = " for the parameter \"w\"" + under;
      String advice = "leave it out, or choose a rule such as adam";
      ElementType half = ElementType.BFLOAT16;
      assertEquals(
          "average is 0.9, must be left out" + reason + advice,
          refusal(half, half, rule, builder -> builder.average(0.9)));
      assertEquals(
          "masterWeights is 24bit, must be none" + reason + "store \"w\" as float32, " + advice,
          refusal(
              half,
              half,
              rule,
              builder ->
                  builder.masterWeights(MasterWeights.BITS_24).rounding(Rounding.STOCHASTIC)));
      assertEquals(
          "parameter \"w\": gradients are bfloat16, must be float32 like the values"
              + under
              + "store both in one type, or choose a rule such as adam",
          refusal(ElementType.FLOAT32, half, rule, builder -> builder));
      assertEquals(
          "stateType is int8, must be float32"
              + reason
              + "give its parameters a group with stateType(StateType.FLOAT32), "
              + advice,
          refusal(half, half, rule, builder -> builder.stateType(StateType.INT8)));
      assertEquals(
          "stateType of group w is bfloat16, must be float32"
              + reason
              + "set it to float32 there, "
              + advice,
          refusal(
              half,
              half,
              rule,
              builder ->
                  builder.group(ParameterGroup.matching("w").stateType(StateType.BFLOAT16))));
      assertEquals(
          "rounding is stochastic, must be nearest" + reason + "store \"w\" as float32, " + advice,
          refusal(half, half, rule, builder -> builder.rounding(Rounding.STOCHASTIC)));
    }
  }

  /** A state type for all is refused if some cannot have it, until their group says so. */
  @Test
  void rulesOfOneTypeBesideOthers() {
    for (UpdateRule rule : List.of(Prodigy.prodigy(), Adafactor.adafactor())) {
      try (Device device = Devices.cpu(1);
          Parameters parameters =
              Parameters.on(device).add("w", new float[64]).add("other", new float[64]).build()) {
        UnaryOperator<ParameterGroup> plain = group -> group.rule(rule);
        for (UnaryOperator<ParameterGroup> way :
            List.of(plain, group -> group.rule(rule).stateType(StateType.FLOAT32))) {
          OptimizerBuilder builder =
              Optimizer.of(parameters)
                  .rule(Adam.adam())
                  .learningRate(0.1)
                  .stateType(StateType.INT8, 0)
                  .group(way.apply(ParameterGroup.matching("other")));
          if (way.equals(plain)) {
            String message =
                assertThrows(IllegalArgumentException.class, builder::build).getMessage();
            assertTrue(
                message.startsWith(
                    "stateType is int8, must be float32 for the parameter \"other\" under rule "
                        + rule.name()),
                message);
            assertTrue(message.contains("a group with stateType(StateType.FLOAT32)"), message);
          } else {
            try (Optimizer optimizer = builder.build()) {
              optimizer.step();
              assertEquals(1, optimizer.stepCount());
            }
          }
        }
      }
    }
  }

  @Test
  void averages() {
    assertEquals(
        "average is 0.9, must be left out for the float64 parameter \"w\", since an average is kept in"
            + " float32 and would have fewer bits: store it as float32, or average it yourself",
        refusal(
            ElementType.FLOAT64,
            ElementType.FLOAT64,
            Adam.adam(),
            builder -> builder.average(0.9)));
    for (double decay : new double[] {0, 1, -0.5, Double.NaN}) {
      assertEquals(
          "average is " + decay + ", must be in (0, 1): leave it out for no average",
          refusal(
              ElementType.FLOAT32,
              ElementType.FLOAT32,
              Adam.adam(),
              builder -> builder.average(decay)));
    }
  }

  @Test
  void gradientsThatDoNotGoWithTheValues() {
    try (Device device = Devices.cpu()) {
      assertEquals(
          "parameter \"w\": gradients are float16, must be bfloat16 like the values, or float32",
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      Parameters.on(device)
                          .gradientType(ElementType.FLOAT16)
                          .add("w", ElementType.BFLOAT16, 8))
              .getMessage());
      assertEquals(
          "parameter \"w\": gradients are float32, must be float64 like the values",
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      Parameters.on(device)
                          .gradientType(ElementType.FLOAT32)
                          .add("w", ElementType.FLOAT64, 8))
              .getMessage());
    }
  }
}
