package io.warmstep.cli.lab;

import io.warmstep.schedule.FitVerdict;
import java.util.ArrayList;
import java.util.List;

/** What follows from the findings: the verdict at the head of the page, the advice at its end. */
final class Conclusion {
  /** Norms this many times the middle one are worth clipping. */
  private static final double PEAK = 10;

  private static final double MANY_LOST = 0.05;

  /** A loss from this share of that of the class frequencies on is no better than them. */
  private static final double CHANCE = 0.98;

  private final Bench bench;
  private final Findings findings;

  Conclusion(Bench bench) {
    this.bench = bench;
    this.findings = bench.findings();
  }

  private boolean hasRate() {
    return !Double.isNaN(findings.rate);
  }

  private String schedule() {
    return findings.schedule == null ? "cosine" : findings.schedule;
  }

  private String warmUp() {
    return findings.warmUp == null
        ? bench.task().setup(findings.rate, bench.plan().steps()).rate().warmUp()
        : findings.warmUp;
  }

  /** In a word or two for lab.json. */
  String verdict() {
    if (findings.fit != null) {
      return findings.fit.fit().toString();
    }
    return "unknown";
  }

  Section head() {
    if (!hasRate()) {
      return new Section("verdict", "Stopped before there was a verdict")
          .say(
              "The lab was interrupted before its first real runs were done. What was finished is"
                  + " below.");
    }
    LabTask task = bench.task();
    Section section =
        new Section("verdict", "Use a learning rate of " + Say.number(findings.rate))
            .say(band())
            .say(why());
    if (findings.fit != null) {
      section.say(
          "The fit of "
              + task.layers()
              + " at this rate: "
              + findings.fit.fit()
              + ". "
              + Say.sentence(findings.fit.reason()));
    }
    if (findings.isStopped) {
      section.say(
          "The lab was interrupted: this page has what was finished until then. Run the command"
              + " at the end to have all of it.");
    }
    return section
        .set("rate", findings.rate)
        .set("low", findings.low)
        .set("high", findings.high)
        .set("command", LabCommandLine.train(bench, schedule(), warmUp()))
        .set("code", code());
  }

  private String band() {
    if (isChance()) {
      return "But at no rate does the model do better than the frequencies of the classes, whose"
          + " loss is "
          + Say.loss(findings.chance)
          + ": these rows do not let it learn anything that holds for others.";
    }
    return findings.low == findings.high
        ? "No other rate that was tried does as well: tune it finely."
        : "Anything from "
            + Say.number(findings.low)
            + " to "
            + Say.number(findings.high)
            + " does about as well: the safe band.";
  }

  /** Nothing that the features say was learned at any rate. */
  private boolean isChance() {
    return findings.loss >= CHANCE * findings.chance;
  }

  private String why() {
    String range =
        Double.isNaN(findings.rangeSuggestion)
            ? "the range test gave no suggestion"
            : "the range test's peak is " + Say.number(findings.rangeSuggestion);
    return "Why: "
        + range
        + ", and of real runs of "
        + bench.plan().steps()
        + " steps on "
        + bench.task().data()
        + " with "
        + bench.task().ruleName()
        + ", those at "
        + Say.number(findings.rate)
        + " ended with a validation loss that no other rate beats by more than the seeds differ, "
        + Say.loss(findings.loss)
        + " (accuracy "
        + Say.percent(findings.accuracy)
        + "), as the middle of "
        + Say.count(bench.plan().seeds(), "seed")
        + (Double.isNaN(findings.divergesFrom)
            ? "."
            : "; runs diverge from " + Say.number(findings.divergesFrom) + " on.");
  }

  private String code() {
    return """
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(%s)
                .learningRate(%s)
                .build();"""
        .formatted(
            JavaCode.of(bench.task().rule()),
            JavaCode.of(schedule(), warmUp(), findings.rate, bench.plan().steps()));
  }

  /** What to try, in order, each with its reason. */
  List<String> advice() {
    List<String> advice = new ArrayList<>();
    if (!hasRate()) {
      advice.add("Let the lab run to its end: there are no findings yet.");
      return advice;
    }
    advice.add(
        "Train at "
            + Say.number(findings.rate)
            + ": no rate that was tried ends lower by more than the seeds differ.");
    if (findings.isRateAtTheEnd) {
      advice.add(
          "Look beyond: the best rate was the last one tried on its side, so the best may lie"
              + " further out; more steps"
              + (bench.plan().equals(LabPlan.thorough()) ? "" : " (--thorough)")
              + " show it.");
    }
    if (isChance()) {
      advice.add(
          "Look at the data first: at no rate is the model better on validation rows than the"
              + " classes' frequencies alone, "
              + Say.loss(findings.chance)
              + ".");
    }
    fit(advice);
    if (findings.betterSetting != null) {
      advice.add(
          "Try "
              + findings.betterSetting
              + ": it gains more than two standard deviations over seeds.");
    }
    if (findings.bestRule != null
        && !findings.bestRule.equals(bench.task().ruleName())
        && findings.bestRuleLoss < findings.ruleLoss - findings.spread) {
      advice.add(
          "Try --rule "
              + findings.bestRule
              + " --lr "
              + Say.number(findings.bestRuleRate)
              + ": under the same budget it ended at "
              + Say.loss(findings.bestRuleLoss)
              + " against "
              + Say.loss(findings.ruleLoss)
              + ".");
    }
    if (findings.schedule != null && !findings.schedule.equals("cosine")) {
      advice.add(
          "Try --schedule "
              + findings.schedule
              + ": it ended lowest of the schedules under the same budget.");
    }
    if (findings.warmUpGain > 1.5) {
      advice.add(
          "To go faster, warm up: with it, rates up to "
              + Say.times(findings.warmUpGain)
              + " as high still train.");
    }
    if (findings.normPeak > PEAK) {
      advice.add(
          "Clip gradients at a norm of "
              + Say.number(findings.norm90)
              + ": the largest is "
              + Say.times(findings.normPeak)
              + " the middle one.");
    }
    if (findings.lostUpdates > MANY_LOST) {
      advice.add(
          Say.percent(findings.lostUpdates)
              + " of the updates are lost to rounding: a higher rate, or parameters of more"
              + " digits, keep them.");
    }
    advice.add(
        "Repeat with other data splits"
            + (bench.plan().equals(LabPlan.thorough()) ? "" : " and --thorough")
            + " before you rely on differences smaller than "
            + Say.number(findings.spread)
            + ", which is how much seeds differ.");
    return advice;
  }

  private void fit(List<String> advice) {
    if (findings.fit == null || findings.fit.fit() == FitVerdict.Fit.APPROPRIATE) {
      return;
    }
    findings.fit.advice().stream().limit(2).map(Say::sentence).forEach(advice::add);
    if (findings.bestModel != null && !findings.bestModel.equals("yours")) {
      advice.add(
          "Of the models that were tried, the one called “"
              + findings.bestModel
              + "” ended with the least validation loss, "
              + Say.loss(findings.bestModelLoss)
              + ".");
    }
  }

  Section next() {
    Section section = new Section("next", "What to try next");
    return section.set("list", advice());
  }
}
