package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.cli.bench.StepWork;
import io.warmstep.cli.text.Failures;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/** What {@code warmstep bench} measures of some rules, and why it leaves others out. */
final class BenchWorks {
  private final Map<String, StepWork> possible = new LinkedHashMap<>();

  /** Reasons of the rules that refuse an option, by name. */
  private final Map<String, String> leftOut = new LinkedHashMap<>();

  /**
   * Collects the work of each rule.
   *
   * @param names of the rules
   * @param maker of a rule's work; may throw IllegalArgumentException
   * @throws IllegalArgumentException if all do, with the message of the first
   */
  BenchWorks(List<String> names, Function<String, StepWork> maker) {
    for (String name : names) {
      tryOut(name, () -> possible.put(name, maker.apply(name)));
    }
    requireOne();
  }

  /**
   * Leaves out what does not pass a check.
   *
   * @param check of a rule's work, that may throw IllegalArgumentException
   * @throws IllegalArgumentException if none passes, with the message of the first
   */
  void check(Consumer<StepWork> check) {
    new LinkedHashMap<>(possible).forEach((name, work) -> tryOut(name, () -> check.accept(work)));
    possible.keySet().removeAll(leftOut.keySet());
    requireOne();
  }

  private void tryOut(String name, Runnable step) {
    try {
      step.run();
    } catch (IllegalArgumentException e) {
      leftOut.put(name, Failures.describe(e));
    }
  }

  private void requireOne() {
    if (possible.isEmpty()) {
      throw new IllegalArgumentException(leftOut.values().iterator().next());
    }
  }

  /** What can be measured, by the names of the rules. */
  Map<String, StepWork> possible() {
    return possible;
  }

  /** Prints a line for each reason, which rules share that differ in it by their names alone. */
  void printLeftOut(PrintWriter out) {
    Map<String, List<String>> byReason = new LinkedHashMap<>();
    leftOut.forEach(
        (name, reason) ->
            byReason
                .computeIfAbsent(
                    reason.replace("rule " + name, "the rule"), any -> new ArrayList<>())
                .add(name));
    byReason.forEach(
        (reason, names) ->
            out.printf(Locale.ROOT, "left out: %s, since %s%n", String.join(", ", names), reason));
  }

  /** An object of {@code rule} and {@code reason} for each rule that is left out. */
  JsonArray leftOut() {
    JsonArray all = new JsonArray();
    leftOut.forEach(
        (name, reason) -> {
          JsonObject one = new JsonObject();
          one.addProperty("rule", name);
          one.addProperty("reason", reason);
          all.add(one);
        });
    return all;
  }
}
