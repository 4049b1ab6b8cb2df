package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.Rules;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;

/**
 * How gradients, masters and state are stored.
 *
 * @param gradients their type
 * @param masters what is kept of parameters of 16 bits
 * @param state type of moments
 * @param rounding to bfloat16
 */
record Storing(ElementType gradients, MasterWeights masters, StateType state, Rounding rounding) {
  private static final long SEED = 20;

  /** Types that the rules take turns in: on OpenCL each case is a program of its own. */
  private static final List<ElementType> TYPES =
      List.of(ElementType.FLOAT32, ElementType.FLOAT16, ElementType.BFLOAT16);

  /** From one kind to the next, so that neighbours differ in more than one choice. */
  private static final int STRIDE = 5;

  /** All as a type of parameters says. */
  static Storing plain(ElementType type) {
    return new Storing(type, MasterWeights.NONE, StateType.FLOAT32, Rounding.NEAREST);
  }

  /** With float32 masters beside parameters and gradients of 16 bits. */
  static Storing ofMasters(ElementType type) {
    return new Storing(type, MasterWeights.EXACT, StateType.FLOAT32, Rounding.NEAREST);
  }

  private boolean isPlain(ElementType type) {
    return equals(plain(type));
  }

  /** Some of the rules in some of the kinds, so that each two choices come together. */
  static List<BitCase> cases(ElementType type, List<Integer> lengths) {
    List<Storing> kinds = of(type);
    List<BitCase> cases = new ArrayList<>();
    List<UpdateRule> rules = Rules.all();
    int turn = 0;
    int first = TYPES.indexOf(type);
    for (int i = first; i >= 0 && i < rules.size(); i += TYPES.size()) {
      UpdateRule rule = rules.get(i);
      List<Storing> possible =
          kinds.stream().filter(storing -> storing.isPossible(type, rule)).toList();
      for (int j = 0; j < Math.min(2, possible.size()); j++) {
        Storing storing = possible.get(turn++ * STRIDE % possible.size());
        Elements elements = turn % 3 == 0 ? Elements.SPECIAL : Elements.ORDINARY;
        BitCase.Extra extra =
            turn % 3 == 1 && rule.sums().isEmpty()
                ? BitCase.Extra.CLIPPED_TENSORS
                : BitCase.Extra.ofElements(turn);
        cases.add(new BitCase(rule, type, elements, extra, lengths, 3, true, storing));
      }
    }
    return cases;
  }

  private static List<Storing> of(ElementType type) {
    List<ElementType> gradients =
        switch (type) {
          case FLOAT64 -> List.<ElementType>of();
          case FLOAT32 -> List.of(type, ElementType.BFLOAT16, ElementType.FLOAT16);
          case FLOAT16, BFLOAT16 -> List.of(type, ElementType.FLOAT32);
        };
    List<Storing> kinds = new ArrayList<>();
    for (MasterWeights masters : MasterWeights.values()) {
      for (ElementType gradient : gradients) {
        for (Rounding rounding : Rounding.values()) {
          for (StateType state : StateType.values()) {
            Storing storing = new Storing(gradient, masters, state, rounding);
            if (!storing.isPlain(type)) {
              kinds.add(storing);
            }
          }
        }
      }
    }
    return kinds;
  }

  /** Whether an optimizer of a rule takes it. */
  private boolean isPossible(ElementType type, UpdateRule rule) {
    boolean narrows =
        state != StateType.FLOAT32 && rule.stateSlots().stream().anyMatch(StateSlot::isAverage);
    boolean hasMasters = masters != MasterWeights.NONE;
    boolean isRounded = masters != MasterWeights.EXACT && type == ElementType.BFLOAT16;
    boolean roundsState =
        narrows
            && (state == StateType.BFLOAT16
                || rule.stateSlots().stream()
                    .anyMatch(slot -> slot.content() == StateSlot.Content.SQUARE));
    boolean canRound =
        rounding == Rounding.NEAREST
            || ((roundsState || isRounded) && (hasMasters || type != ElementType.FLOAT16));
    return !rule.isOfOneType()
        && (type.isHalf() || !hasMasters)
        && (type == ElementType.BFLOAT16 || masters != MasterWeights.BITS_24)
        && (state == StateType.FLOAT32 || narrows)
        && canRound;
  }

  void applyTo(OptimizerBuilder builder) {
    builder.masterWeights(masters).stateType(state, 0).rounding(rounding, SEED);
  }

  /** What differs from all in one type. */
  String text() {
    return (masters == MasterWeights.NONE ? "" : ", " + masters + " masters")
        + (state == StateType.FLOAT32 ? "" : ", " + state + " state")
        + (rounding == Rounding.NEAREST ? "" : ", " + rounding + " rounding")
        + ", "
        + gradients
        + " gradients";
  }
}
