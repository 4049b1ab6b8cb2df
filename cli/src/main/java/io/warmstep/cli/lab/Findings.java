package io.warmstep.cli.lab;

import io.warmstep.schedule.FitVerdict;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the studies found, for those after them and for the verdict. Absent is null or NaN. */
final class Findings {
  /** The rate that the range test has for a run, and whether it was sure. */
  double rangeSuggestion = Double.NaN;

  /** The rate to use, and the rates around it that do about as well. */
  double rate = Double.NaN;

  double low = Double.NaN;
  double high = Double.NaN;

  /** Final validation loss and accuracy at the rate to use, medians over the seeds. */
  double loss = Double.NaN;

  double accuracy = Double.NaN;

  /** Whether the best of the rates was the last that was tried. */
  boolean isRateAtTheEnd;

  /** The least rate at which a run diverged. */
  double divergesFrom = Double.NaN;

  /** The loss without looking at the features. */
  double chance = Double.NaN;

  /** The fit of the task's own model, and of the others by name. */
  FitVerdict fit;

  final Map<String, FitVerdict> fits = new LinkedHashMap<>();

  /** The model of the fit study with the least validation loss at the end. */
  String bestModel;

  double bestModelLoss = Double.NaN;

  /** A second setting that does better than the task's, in words and its gain; null if none. */
  String betterSetting;

  /** The schedule that did best under an equal budget, and the warm-up it had. */
  String schedule;

  String warmUp;

  /** By how much a warm-up raises the highest rate that trains; 1 for not at all. */
  double warmUpGain = 1;

  /** The rule that won the race, and its rate. */
  String bestRule;

  double bestRuleRate = Double.NaN;
  double bestRuleLoss = Double.NaN;
  double ruleLoss = Double.NaN;

  /** The spread of the final validation loss over seeds, as a standard deviation. */
  double spread = Double.NaN;

  /** The norm that nine of ten gradients stay below, and the largest divided by the middle one. */
  double norm90 = Double.NaN;

  double normPeak = Double.NaN;

  /** The share of weights that an update left as they were. */
  double lostUpdates = Double.NaN;

  /** SHA-256 of the final parameters' bits of the run with the rate to use and the first seed. */
  String bits;

  /** Whether the user stopped it. */
  boolean isStopped;
}
