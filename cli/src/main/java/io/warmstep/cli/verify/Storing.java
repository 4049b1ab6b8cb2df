package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.check.PairCover;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StateStorage;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

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

  private static final List<ElementType> TYPES =
      List.of(ElementType.FLOAT32, ElementType.FLOAT16, ElementType.BFLOAT16);

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

  /** Parameters of a type under a rule, stored in a way. */
  record Stored(UpdateRule rule, ElementType type, Storing storing) {
    /** What it is made of. */
    List<String> choices() {
      return Stream.concat(Stream.of("rule " + rule.name()), ofStorage()).toList();
    }

    private Stream<String> ofStorage() {
      return Stream.concat(Stream.of("values " + type), storing.choices().stream());
    }
  }

  /** What it is made of. */
  List<String> choices() {
    return List.of(
        "gradients " + gradients, "masters " + masters, "state " + state, "rounding " + rounding);
  }

  /** All that an optimizer takes. */
  static List<Stored> possible() {
    List<Stored> possible = new ArrayList<>();
    for (UpdateRule rule : Rules.all()) {
      for (ElementType type : TYPES) {
        of(type).stream()
            .filter(storing -> storing.isPossible(type, rule))
            .forEach(storing -> possible.add(new Stored(rule, type, storing)));
      }
    }
    return possible;
  }

  /**
   * So few, since on OpenCL each is a program of its own, that every two choices of rule and
   * storage come together, and every way to store with everything that is asked of an optimizer
   * besides.
   */
  static List<BitCase> cases(ElementType type, List<Integer> lengths) {
    List<BitCase> cases = new ArrayList<>();
    Set<String> met = new HashSet<>();
    int turn = 0;
    for (Stored stored : PairCover.of(possible(), Stored::choices)) {
      Elements elements = turn++ % 3 == 2 ? Elements.SPECIAL : Elements.ORDINARY;
      BitCase.Extra extra =
          BitCase.Extra.possible(elements, stored.rule).stream()
              .max(Comparator.comparingLong(one -> with(one, stored, met).count()))
              .orElseThrow();
      with(extra, stored, met).toList().forEach(met::add);
      if (stored.type == type) {
        cases.add(
            new BitCase(stored.rule, type, elements, extra, lengths, 3, true, stored.storing));
      }
    }
    return cases;
  }

  /** What has not met yet. */
  private static Stream<String> with(BitCase.Extra extra, Stored stored, Set<String> met) {
    return stored
        .ofStorage()
        .map(choice -> extra + " & " + choice)
        .filter(pair -> !met.contains(pair));
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
    StateStorage storage = new StateStorage(state, 0);
    boolean hasMasters = masters != MasterWeights.NONE;
    boolean isRounded = masters != MasterWeights.EXACT && type == ElementType.BFLOAT16;
    boolean canRound =
        rounding == Rounding.NEAREST
            || ((storage.rounds(rule) || isRounded) && (hasMasters || type != ElementType.FLOAT16));
    return !rule.isOfOneType()
        && (type.isHalf() || !hasMasters)
        && (type == ElementType.BFLOAT16 || masters != MasterWeights.BITS_24)
        && (!storage.isNarrow() || storage.narrows(rule))
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
