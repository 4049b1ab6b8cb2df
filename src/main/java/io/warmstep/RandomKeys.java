package io.warmstep;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What the random numbers of an optimizer follow from, besides the element and the step.
 *
 * @param seed of all
 * @param numbers of the parameters, by name; no two share one. A parameter keeps its number for
 *     good, also in a checkpoint
 */
record RandomKeys(long seed, Map<String, Integer> numbers) {
  /** Copies the numbers. */
  RandomKeys {
    numbers = Map.copyOf(numbers);
  }

  /** Those of parameters that are numbered in their order. */
  static RandomKeys of(long seed, Parameters parameters) {
    return new RandomKeys(seed, Map.of()).with(parameters);
  }

  /** The same; of these parameters, each that has no number gets the first that is free. */
  RandomKeys with(Parameters parameters) {
    Map<String, Integer> all = new HashMap<>(numbers);
    Set<Integer> taken = new HashSet<>(numbers.values());
    int next = 0;
    for (Parameter parameter : parameters) {
      if (!all.containsKey(parameter.name())) {
        while (!taken.add(next)) {
          next++;
        }
        all.put(parameter.name(), next);
      }
    }
    return new RandomKeys(seed, all);
  }

  int number(Parameter parameter) {
    return numbers.get(parameter.name());
  }
}
