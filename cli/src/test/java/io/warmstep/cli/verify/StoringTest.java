package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.check.PairCover;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What verify takes of rules and ways to store leaves no two choices out that could meet. */
class StoringTest {
  private static final List<Integer> LENGTHS = List.of(33);

  private static List<BitCase> cases() {
    List<BitCase> cases = new ArrayList<>();
    for (ElementType type : ElementType.values()) {
      cases.addAll(Storing.cases(type, LENGTHS));
    }
    return cases;
  }

  private static Storing.Stored stored(BitCase one) {
    return new Storing.Stored(one.rule(), one.type(), one.storing());
  }

  @Test
  void everyTwoChoicesComeTogether() {
    Set<String> possible = new HashSet<>();
    Storing.possible().forEach(one -> possible.addAll(PairCover.pairs(one.choices())));
    List<BitCase> cases = cases();
    cases.forEach(one -> possible.removeAll(PairCover.pairs(stored(one).choices())));
    assertEquals(Set.of(), possible);
    assertTrue(cases.size() <= 100, "cases " + cases.size());
  }

  /** Except for weights to evaluate with, which few rules have. */
  @Test
  void everyChoiceOfStorageMeetsEveryExtra() {
    Set<String> left = new HashSet<>();
    for (Storing.Stored one : Storing.possible()) {
      Set<BitCase.Extra> extras = EnumSet.complementOf(EnumSet.of(BitCase.Extra.EVALUATED));
      for (BitCase.Extra extra : extras) {
        one.choices().stream().skip(1).forEach(choice -> left.add(extra + " & " + choice));
      }
    }
    for (BitCase one : cases()) {
      stored(one).choices().forEach(choice -> left.remove(one.extra() + " & " + choice));
    }
    assertEquals(Set.of(), left);
  }
}
