package io.warmstep.check;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.IntConsumer;

/**
 * Takes few of many cases such that every two choices that come together in one of all come
 * together in one that is taken.
 */
public final class PairCover {
  private PairCover() {}

  /**
   * Always takes the case with most pairs that are not in another one yet, of several the first.
   *
   * @param <T> of a case
   * @param cases all that there are
   * @param choices what a case is made of; choices of different matters have different texts
   * @return those that are taken
   */
  public static <T> List<T> of(List<T> cases, Function<T, List<String>> choices) {
    return beside(List.of(), cases, choices);
  }

  /**
   * Takes cases beside others that there are anyway.
   *
   * @param <T> of a case
   * @param given cases whose pairs need no other
   * @param cases all that may be taken
   * @param choices what a case is made of
   * @return those that are taken, without the given ones
   */
  public static <T> List<T> beside(
      List<T> given, List<T> cases, Function<T, List<String>> choices) {
    Map<String, Integer> numbers = new HashMap<>();
    List<int[]> all = new ArrayList<>();
    for (T one : cases) {
      all.add(numbered(choices.apply(one), numbers));
    }
    List<int[]> before = new ArrayList<>();
    for (T one : given) {
      before.add(numbered(choices.apply(one), numbers));
    }
    int count = numbers.size();
    BitSet left = new BitSet(count * count);
    all.forEach(one -> eachPair(one, count, left::set));
    before.forEach(one -> eachPair(one, count, left::clear));
    List<T> taken = new ArrayList<>();
    int[] atMost = new int[all.size()]; // what is left of a case only becomes less
    Arrays.fill(atMost, Integer.MAX_VALUE);
    while (!left.isEmpty()) {
      int best = 0;
      int most = 0;
      for (int i = 0; i < all.size(); i++) {
        if (atMost[i] > most) {
          atMost[i] = leftOf(all.get(i), count, left);
        }
        if (atMost[i] > most) {
          best = i;
          most = atMost[i];
        }
      }
      eachPair(all.get(best), count, left::clear);
      taken.add(cases.get(best));
    }
    return taken;
  }

  private static int[] numbered(List<String> choices, Map<String, Integer> numbers) {
    return choices.stream()
        .mapToInt(choice -> numbers.computeIfAbsent(choice, text -> numbers.size()))
        .sorted()
        .toArray();
  }

  private static void eachPair(int[] numbers, int count, IntConsumer action) {
    for (int i = 0; i < numbers.length; i++) {
      for (int j = i + 1; j < numbers.length; j++) {
        action.accept(numbers[i] * count + numbers[j]);
      }
    }
  }

  private static int leftOf(int[] numbers, int count, BitSet left) {
    int found = 0;
    for (int i = 0; i < numbers.length; i++) {
      for (int j = i + 1; j < numbers.length; j++) {
        found += left.get(numbers[i] * count + numbers[j]) ? 1 : 0;
      }
    }
    return found;
  }

  /**
   * Every two choices.
   *
   * @param choices of a case
   * @return a text for each pair, the same in whatever order they come
   */
  public static Set<String> pairs(List<String> choices) {
    List<String> sorted = choices.stream().sorted().toList();
    Set<String> pairs = new HashSet<>();
    for (int i = 0; i < sorted.size(); i++) {
      for (int j = i + 1; j < sorted.size(); j++) {
        pairs.add(sorted.get(i) + " & " + sorted.get(j));
      }
    }
    return pairs;
  }
}
