package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.rule.Adam;
import io.warmstep.rule.Lion;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.NAdamW;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import io.warmstep.testkit.Numbers;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every rule under every option of the builder: it trains, or is refused for a reason that the
 * message gives. On the processor: what the options do there, others do with equal bits.
 */
class RuleOptionsTest {
  private static final int LENGTH = 96;

  /** So many that slow weights move, too. */
  private static final int STEPS = 6;

  private static final String LOOKAHEAD = " with lookahead";

  private static final List<String> WITHOUT_LOOKAHEAD =
      List.of("asgd", "schedulefreesgd", "schedulefreeadamw", "adafactor");

  /** By their kernels. */
  private static final Map<String, UpdateRule> RULES = rules();

  private static final List<String> OF_SEVERAL_PHASES =
      List.of(
          "lamb",
          "lars",
          "novograd",
          "stableadamw",
          "adafactor",
          "muon",
          "prodigy",
          "adam_cautious",
          "nadamw_cautious",
          "lion_cautious");
  private static final List<String> WITH_WEIGHTS_TO_EVALUATE =
      List.of("asgd", "schedulefreesgd", "schedulefreeadamw");

  private static final List<String> WITH_BETA1 =
      List.of(
          "adam",
          "adam_cautious",
          "adamw",
          "lion",
          "lion_cautious",
          "adamax",
          "nadamw",
          "nadamw_cautious",
          "radam",
          "adabelief",
          "adan",
          "nadam",
          "lamb",
          "novograd",
          "stableadamw",
          "prodigy");

  private static final String PHASES =
      "must be 0 under rule RULE, which adds up over its tensors before it updates them";
  private static final String GROUP_SUMS =
      " for the parameter \"w\" under rule RULE, since the kernels of sums over a group take all in"
          + " one type";
  private static final String FACTORS =
      " for the parameter \"w\" under rule RULE, since the kernels of factors take all in one type";
  private static final String NO_MASTER =
      "masterWeights is %s, must be none for the parameter \"w\" under rule RULE with lookahead,"
          + " since slow weights move the parameter as it is stored";
  private static final String NO_AVERAGE =
      "average is 0.9, must be left out for the parameter \"w\" under rule RULE with lookahead, since"
          + " slow weights move the parameter as it is stored";
  private static final String NO_SCHEDULE =
      "a schedule was set for \"%s\", which none can move under ";

  private static Map<String, UpdateRule> rules() {
    Map<String, UpdateRule> rules = new LinkedHashMap<>();
    Rules.all().stream()
        .map(RuleMatrix::withFewProducts)
        .forEach(rule -> rules.put(rule.name(), rule));
    Stream.<UpdateRule>of(
            Adam.adamW().caution(true), NAdamW.nAdamW().caution(true), Lion.lion().caution(true))
        .forEach(rule -> rules.put(rule.name() + "_cautious", rule));
    rules.put("adamw", Adam.adamW());
    // With its usual first distance it takes more than a few steps to move a bfloat16.
    rules.put("prodigy", Prodigy.prodigy().d0(0.01));
    Map<String, UpdateRule> all = new LinkedHashMap<>(rules);
    rules.forEach(
        (name, rule) -> {
          if (!WITHOUT_LOOKAHEAD.contains(name)) {
            all.put(name + LOOKAHEAD, Lookahead.around(rule));
          }
        });
    return all;
  }

  /**
   * Rules that an option is refused for.
   *
   * @param rules are they, by name
   * @param part of the message, in which RULE is the rule's name, with " with these options" where
   *     the kernel is that of some of its forms
   */
  private record Refusal(Predicate<String> rules, String part) {
    /** Rules, under Lookahead or not. */
    static Refusal of(List<String> rules, String part) {
      return new Refusal(name -> rules.contains(name.replace(LOOKAHEAD, "")), part);
    }

    static Refusal except(List<String> rules, String part) {
      return new Refusal(name -> !rules.contains(name.replace(LOOKAHEAD, "")), part);
    }

    static Refusal underLookahead(String part) {
      return new Refusal(name -> name.endsWith(LOOKAHEAD), part);
    }

    /** What a type of state is refused for. */
    static Refusal[] ofState(String option) {
      String exact = option + ", must be float32 for the state of RULE (%s), which is no running";
      return new Refusal[] {
        of(List.of("prodigy"), option + ", must be float32" + GROUP_SUMS),
        of(List.of("adafactor"), option + ", must be float32" + FACTORS),
        new Refusal(
            List.of("sgd", "lars")::contains,
            option + ", must be float32 for rules whose state has no moments, as that of RULE"),
        new Refusal(
            List.of("sgd" + LOOKAHEAD, "lars" + LOOKAHEAD)::contains,
            exact.formatted("slow_params")),
        new Refusal("adagrad"::equals, exact.formatted("sum")),
        new Refusal(("adagrad" + LOOKAHEAD)::equals, exact.formatted("sum, slow_params")),
        new Refusal("rprop"::equals, exact.formatted("prev, step_size")),
        new Refusal(("rprop" + LOOKAHEAD)::equals, exact.formatted("prev, step_size, slow_params")),
        of(List.of("asgd"), exact.formatted("ax")),
        of(List.of("schedulefreesgd"), exact.formatted("z"))
      };
    }

    static Refusal[] ofMasters(String type) {
      String option = "masterWeights is " + type + ", must be none";
      return new Refusal[] {
        of(List.of("prodigy"), option + GROUP_SUMS),
        of(List.of("adafactor"), option + FACTORS),
        underLookahead(NO_MASTER.formatted(type))
      };
    }

    static Refusal[] ofAverage() {
      String option = "average is 0.9, must be left out";
      return new Refusal[] {
        of(List.of("prodigy"), option + GROUP_SUMS),
        of(List.of("adafactor"), option + FACTORS),
        underLookahead(NO_AVERAGE),
        of(
            WITH_WEIGHTS_TO_EVALUATE,
            option + " under RULE, which has weights of its own to evaluate with")
      };
    }

    static Refusal[] ofRounding() {
      String option = "rounding is stochastic, must be nearest";
      return new Refusal[] {
        of(List.of("prodigy"), option + GROUP_SUMS), of(List.of("adafactor"), option + FACTORS)
      };
    }

    static Refusal ofGradients(String types) {
      return of(
          List.of("prodigy", "adafactor"),
          "parameter \"w\": gradients are " + types + " like the values under rule RULE");
    }
  }

  /** What is asked of the builder, beside a rule and a rate. */
  private enum Option {
    NOTHING(builder -> builder),
    CLIP_BY_NORM(builder -> builder.clipNorm(0.5)),
    CLIP_BY_L1_NORM(builder -> builder.clipNorm(0.5, Norm.L1)),
    CLIP_BY_LARGEST(builder -> builder.clipNorm(0.5, Norm.MAX)),
    CLIP_BY_VALUE(builder -> builder.clipValue(0.5)),
    ADAPTIVE_CLIP(
        builder -> builder.adaptiveClip(0.01),
        Refusal.of(OF_SEVERAL_PHASES, "adaptiveClip of group * is 0.01, " + PHASES)),
    ADAPTIVE_CLIP_OF_GROUP(
        builder -> builder.group(ParameterGroup.matching("w").adaptiveClip(0.01)),
        Refusal.of(OF_SEVERAL_PHASES, "adaptiveClip of group w is 0.01, " + PHASES)),
    WEIGHT_DECAY_OF_GROUP(
        builder -> builder.group(ParameterGroup.matching("w").weightDecay(0.01)),
        Refusal.of(
            List.of("rprop"),
            "RULE: weightDecay is 0.01, must be 0, since of a gradient only the sign counts")),
    RATE_OF_GROUP(builder -> builder.group(ParameterGroup.matching("w").learningRateFactor(0.5))),
    EXACT_MASTERS(
        ElementType.BFLOAT16,
        builder -> builder.masterWeights(MasterWeights.EXACT),
        Refusal.ofMasters("exact")),
    EXACT_MASTERS_OF_FLOAT16(
        ElementType.FLOAT16,
        builder -> builder.masterWeights(MasterWeights.EXACT),
        Refusal.ofMasters("exact")),
    MASTERS_OF_24_BITS(
        ElementType.BFLOAT16,
        builder -> builder.masterWeights(MasterWeights.BITS_24),
        Refusal.ofMasters("24bit")),
    ROUNDED_MASTERS_OF_24_BITS(
        ElementType.BFLOAT16,
        builder -> builder.masterWeights(MasterWeights.BITS_24).rounding(Rounding.STOCHASTIC),
        Refusal.ofMasters("24bit")),
    BFLOAT16_STATE(
        builder -> builder.stateType(StateType.BFLOAT16, 0),
        Refusal.ofState("stateType is bfloat16")),
    ROUNDED_BFLOAT16_STATE(
        builder -> builder.stateType(StateType.BFLOAT16, 0).rounding(Rounding.STOCHASTIC),
        Refusal.ofState("stateType is bfloat16")),
    INT8_STATE(
        builder -> builder.stateType(StateType.INT8, 0), Refusal.ofState("stateType is int8")),
    INT8_STATE_OF_GROUP(
        builder -> builder.group(ParameterGroup.matching("w").stateType(StateType.INT8, 0)),
        Refusal.ofState("stateType of group w is int8")),
    ROUNDED_BFLOAT16(
        ElementType.BFLOAT16,
        builder -> builder.rounding(Rounding.STOCHASTIC),
        Refusal.ofRounding()),
    AVERAGE(builder -> builder.average(0.9), Refusal.ofAverage()),
    AVERAGE_OF_BFLOAT16(ElementType.BFLOAT16, builder -> builder.average(0.9), Refusal.ofAverage()),
    BFLOAT16_GRADIENTS(
        ElementType.FLOAT32,
        ElementType.BFLOAT16,
        builder -> builder,
        Refusal.ofGradients("bfloat16, must be float32")),
    FLOAT32_GRADIENTS(
        ElementType.BFLOAT16,
        ElementType.FLOAT32,
        builder -> builder,
        Refusal.ofGradients("float32, must be bfloat16")),
    ZEROING(builder -> builder.zeroGradients(true)),
    SKIPPING(builder -> builder.skipNonFinite(true)),
    LOSS_SCALER(builder -> builder.lossScaler(LossScaler.dynamic())),
    GRADIENT_SCALE(builder -> builder.gradientScale(0.5)),
    LANES(builder -> builder.lanes(2)),
    LISTENER(builder -> builder.listener(report -> {}, 1)),
    SCHEDULE_OF_RATE(builder -> builder.learningRate(Schedules.cosine(0.5, 100))),
    SCHEDULE_OF_MOMENTUM(
        builder -> builder.schedule("momentum", Schedules.constant(0.8)),
        Refusal.except(List.of("momentum", "muon"), NO_SCHEDULE.formatted("momentum"))),
    SCHEDULE_OF_BETA1(
        builder -> builder.schedule("beta1", Schedules.constant(0.8)),
        Refusal.except(WITH_BETA1, NO_SCHEDULE.formatted("beta1"))),
    SCHEDULE_OF_BETA2(
        builder -> builder.schedule("beta2", Schedules.constant(0.8)),
        Refusal.except(
            Stream.concat(WITH_BETA1.stream(), Stream.of("ademamix", "schedulefreeadamw")).toList(),
            NO_SCHEDULE.formatted("beta2"))),
    SCHEDULE_OF_DECAY(
        builder -> builder.schedule("weightDecay", Schedules.constant(0.01)),
        Refusal.of(List.of("rprop"), NO_SCHEDULE.formatted("weightDecay")));

    private final ElementType values;
    private final ElementType gradients;
    private final UnaryOperator<OptimizerBuilder> wish;
    private final List<Refusal> refusals;

    Option(UnaryOperator<OptimizerBuilder> wish, Refusal... refusals) {
      this(ElementType.FLOAT32, wish, refusals);
    }

    Option(ElementType type, UnaryOperator<OptimizerBuilder> wish, Refusal... refusals) {
      this(type, type, wish, refusals);
    }

    Option(
        ElementType values,
        ElementType gradients,
        UnaryOperator<OptimizerBuilder> wish,
        Refusal... refusals) {
      this.values = values;
      this.gradients = gradients;
      this.wish = wish;
      this.refusals = List.of(refusals);
    }

    /** Part of the message that a rule is refused with under this option. */
    Optional<String> refusal(String rule) {
      return refusals.stream()
          .filter(refusal -> refusal.rules().test(rule))
          .map(Refusal::part)
          .findFirst();
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyRuleTrainsOrSaysWhyNot(Option option) {
    List<String> wrong = new ArrayList<>();
    try (Device device = Devices.cpu(1)) {
      RULES.forEach(
          (name, rule) -> {
            Optional<String> expected = option.refusal(name);
            String message = null;
            try {
              train(device, rule, option);
            } catch (IllegalArgumentException e) {
              message = e.getMessage();
            }
            if (message == null
                ? expected.isPresent()
                : expected.isEmpty() || !isSaid(expected.get(), rule, message)) {
              wrong.add(name + ": " + message + " instead of " + expected);
            }
          });
    }
    assertEquals(List.of(), wrong);
  }

  /** The rule is named as the user wrote it, mostly in lower case; and then comes what to do. */
  private static boolean isSaid(String expected, UpdateRule rule, String message) {
    boolean isOfSome = expected.contains(PHASES) && !rule.kernel().equals(rule.name());
    String name = rule.name() + (isOfSome ? " with these options" : "");
    boolean isThere = message.contains(expected.replace("RULE", name));
    return isThere
        && message.toLowerCase(Locale.ROOT).contains(rule.name())
        && message.matches(".*: ([a-z]+ .+, or )?(leave|choose|use|schedule|give|store) .+");
  }

  private static void train(Device device, UpdateRule rule, Option option) {
    SplittableRandom random = new SplittableRandom(1);
    try (Parameters parameters =
            Parameters.on(device)
                .gradientType(option.gradients)
                .add("w", option.values, LENGTH)
                .shape("w", 8, LENGTH / 8)
                .build();
        Optimizer optimizer =
            option.wish.apply(Optimizer.of(parameters).rule(rule).learningRate(0.5)).build()) {
      Tensor values = parameters.get("w").values();
      values.copyFrom(Numbers.ordinary(random, option.values, LENGTH));
      double[] before = values.toDoubles();
      for (int step = 1; step <= STEPS; step++) {
        Tensor gradients = parameters.get("w").gradients();
        gradients.copyFrom(Numbers.ordinary(random, option.gradients, LENGTH));
        for (int lane = 0; option == Option.LANES && lane < 2; lane++) {
          optimizer.accumulate();
        }
        optimizer.step();
        double[] after = values.toDoubles();
        assertTrue(Arrays.stream(after).allMatch(Double::isFinite), () -> rule + ", " + option);
        assertEquals(step, optimizer.stepCount());
      }
      assertFalse(Arrays.equals(before, values.toDoubles()), () -> rule + ", " + option);
    }
  }
}
