package io.warmstep.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.warmstep.check.Arguments;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.train.Clipping;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.cli.train.WarmUpChoice;
import io.warmstep.collective.LaneTree;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** The options of {@code warmstep train}, in the groups that its help text shows. */
final class TrainOptions {
  private TrainOptions() {}

  /** The data, and how they are split. */
  static class Data {
    @Option(
        names = "--data",
        paramLabel = "NAME",
        defaultValue = "digits",
        completionCandidates = DataNames.class,
        description = {
          "${COMPLETION-CANDIDATES}, or a CSV file, which may be compressed by gzip: features as"
              + " numbers separated by commas, the class in the last column, either as 0, 1 and so"
              + " on in all rows, or as a name in all rows, numbered in alphabetical order; a first"
              + " line of column names is skipped. Default: ${DEFAULT-VALUE}"
        })
    String data;

    @Option(
        names = "--train-fraction",
        paramLabel = "F",
        defaultValue = "0.8",
        description = "Share of the rows to train on; the others test. Default: ${DEFAULT-VALUE}")
    double trainFraction;

    @Option(
        names = "--seed",
        paramLabel = "N",
        defaultValue = "0",
        description = {
          "Decides the split, the first weights and the order of the rows. Equal seeds give equal"
              + " losses to the last digit. Default: ${DEFAULT-VALUE}"
        })
    long seed;
  }

  /** What is trained on what. */
  static class Model extends Data {
    @Option(
        names = "--hidden",
        paramLabel = "N[,N...]",
        hideParamSyntax = true,
        split = ",",
        defaultValue = "128",
        description = "Sizes of the hidden layers. Default: ${DEFAULT-VALUE}")
    List<Integer> hidden;

    /** The rows of a minibatch unless asked otherwise. */
    static final int DEFAULT_BATCH = 16;

    @Option(
        names = "--batch",
        paramLabel = "N",
        completionCandidates = FullBatchRules.class,
        description =
            "Rows of a minibatch. Default: "
                + DEFAULT_BATCH
                + ", but all training rows for ${COMPLETION-CANDIDATES}")
    Integer batch;

    /** The rows of a minibatch. */
    int batch(UpdateRule rule, Split split) {
      if (batch != null) {
        return batch;
      }
      return Rules.isForFullBatches(rule) ? split.train().rows() : DEFAULT_BATCH;
    }

    void addTo(JsonObject json, int rows) {
      json.addProperty("data", data);
      json.add("train_fraction", Json.number(trainFraction));
      JsonArray sizes = new JsonArray();
      hidden.forEach(sizes::add);
      json.add("hidden", sizes);
      json.addProperty("batch", rows);
      json.addProperty("seed", seed);
    }
  }

  /** What is trained on what, and how long. */
  static final class Task extends Model {
    @Option(
        names = "--accumulate",
        paramLabel = "N",
        defaultValue = "1",
        description =
            "Minibatches whose gradients a step takes the mean of, so that it sees N times the rows of"
                + " --batch; at the end of an epoch as many as are left. Default: ${DEFAULT-VALUE}")
    int accumulate;

    @Option(
        names = "--epochs",
        paramLabel = "N",
        defaultValue = "40",
        description = "Passes over the training rows. Default: ${DEFAULT-VALUE}")
    int epochs;

    @Override
    void addTo(JsonObject json, int rows) {
      super.addTo(json, rows);
      json.addProperty("accumulate", accumulate);
      json.addProperty("epochs", epochs);
    }
  }

  /** The update rule, and where it runs. */
  static class Rule {
    @Option(
        names = "--rule",
        paramLabel = "RULE",
        defaultValue = "adam",
        completionCandidates = NameList.RuleNames.class,
        description = "${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}")
    String rule;

    @Option(
        names = "--momentum",
        paramLabel = "M",
        completionCandidates = NameList.Momenta.class,
        description = "For rules that have a momentum. Default: ${COMPLETION-CANDIDATES}")
    Double momentum;

    @Option(
        names = "--betas",
        paramLabel = "B1,B2",
        hideParamSyntax = true,
        split = ",",
        completionCandidates = NameList.Betas.class,
        description = "For rules that have two. Default: ${COMPLETION-CANDIDATES}")
    List<Double> betas;

    @Option(
        names = "--weight-decay",
        paramLabel = "W",
        completionCandidates = NameList.WeightDecays.class,
        description = "${COMPLETION-CANDIDATES}")
    Double weightDecay;

    @Option(
        names = "--backend",
        paramLabel = "NAME",
        defaultValue = "cpu",
        description =
            "Where steps run, such as cuda or cuda:1; 'warmstep devices' lists them. Default:"
                + " ${DEFAULT-VALUE}")
    String backend;

    /** The rule with the hyperparameters that were given. */
    UpdateRule toRule() {
      Map<String, Double> given = new LinkedHashMap<>();
      UpdateRule base = Options.named("rule", "--rule", () -> NamedRules.named(rule));
      if (momentum != null) {
        requireHyperparameter(base, "--momentum", "momentum");
        given.put("momentum", momentum);
      }
      if (betas != null) {
        if (betas.size() != 2) {
          throw new IllegalArgumentException(
              String.format(
                  Locale.ROOT,
                  "--betas is %s, must be two numbers, separated by commas: B1,B2",
                  betas.stream().map(String::valueOf).collect(Collectors.joining(","))));
        }
        requireHyperparameter(base, "--betas", "beta2");
        given.put("beta1", betas.get(0));
        given.put("beta2", betas.get(1));
      }
      UpdateRule set =
          Options.named(
              "\\w+: (?=beta)",
              "--betas: ",
              () ->
                  Options.named(
                      "\\w+: momentum", "--momentum", () -> RuleSettings.with(base, given)));
      return weightDecay == null
          ? set
          : Options.named(
              "\\w+: weightDecay", "--weight-decay", () -> set.weightDecay(weightDecay));
    }

    private void requireHyperparameter(UpdateRule base, String option, String name) {
      if (!RuleSettings.has(base, name)) {
        throw new IllegalArgumentException(
            "%s is not for rule %s, but for %s"
                .formatted(
                    option,
                    rule,
                    NamedRules.names().stream()
                        .filter(other -> RuleSettings.has(NamedRules.named(other), name))
                        .collect(Collectors.joining(", "))));
      }
    }

    /** Such as {@code --rule adam --weight-decay 0.1}. */
    String text() {
      StringBuilder text = new StringBuilder("--rule ").append(rule);
      if (momentum != null) {
        text.append(" --momentum ").append(momentum);
      }
      if (betas != null) {
        text.append(" --betas ")
            .append(betas.stream().map(String::valueOf).collect(Collectors.joining(",")));
      }
      if (weightDecay != null) {
        text.append(" --weight-decay ").append(weightDecay);
      }
      return text.toString();
    }
  }

  /** How parameters are updated. */
  static final class Update extends Rule {
    @Option(
        names = "--clip-norm",
        paramLabel = "C",
        description = "Scales all gradients together down to this norm. Default: no clipping")
    Double clipNorm;

    @Option(
        names = "--adaptive-clip",
        paramLabel = "C",
        description =
            "Scales the gradient of each tensor down to this share of the tensor's norm, 0.01 say."
                + " Default: no such clipping")
    Double adaptiveClip;

    /** What was asked for. */
    Clipping toClipping(UpdateRule set) {
      if (clipNorm != null) {
        Arguments.requirePositive("--clip-norm", clipNorm, "leave it out not to clip");
      }
      if (adaptiveClip != null) {
        requireAdaptiveClip(adaptiveClip, rule, set);
      }
      return new Clipping(clipNorm == null ? 0 : clipNorm, adaptiveClip == null ? 0 : adaptiveClip);
    }

    /** Checks a value of --adaptive-clip. */
    static void requireAdaptiveClip(double clip, String name, UpdateRule rule) {
      Arguments.requirePositive("--adaptive-clip", clip, "leave it out not to clip");
      if (rule.sums().isPresent()) {
        throw new IllegalArgumentException(
            "--adaptive-clip is not for rule "
                + name
                + (rule.kernel().equals(rule.name()) ? "" : " with --caution")
                + ", which adds up over its tensors before it updates them, but for those of one"
                + " phase, such as sgd");
      }
    }

    void addTo(JsonObject json, UpdateRule set) {
      json.addProperty("rule", rule);
      json.add("hyperparameters", Json.values(RuleSettings.values(set)));
      json.addProperty("clip_norm", clipNorm);
      json.addProperty("adaptive_clip", adaptiveClip);
    }
  }

  /**
   * A learning rate of those that were asked for.
   *
   * @param schedule the name of its schedule
   * @param rate the rate of each step
   */
  record Chosen(String schedule, LearningRate rate) {
    /** The same with a schedule of its own, where that remembers something. */
    Chosen anew(Rate options, UpdateRule rule, long steps) {
      return options.toLearningRates(rule, steps).stream()
          .filter(other -> other.isLike(this))
          .findFirst()
          .orElseThrow();
    }

    private boolean isLike(Chosen other) {
      return schedule.equals(other.schedule)
          && rate.highest() == other.rate.highest()
          && rate.warmUp().equals(other.rate.warmUp());
    }

    void addTo(JsonObject json) {
      json.add("lr", Json.number(rate.highest()));
      json.addProperty("schedule", schedule);
      json.addProperty("warmup", rate.warmUp());
    }
  }

  /** The learning rate. */
  static final class Rate {
    @Option(
        names = "--lr",
        paramLabel = "LR[,LR...]",
        hideParamSyntax = true,
        split = ",",
        completionCandidates = UsualRates.class,
        description = {
          "Highest learning rate; of several, a run for each. Default: ${COMPLETION-CANDIDATES}"
        })
    List<Double> rates;

    @Option(
        names = "--schedule",
        paramLabel = "NAME[,NAME...]",
        hideParamSyntax = true,
        split = ",",
        defaultValue = "cosine",
        completionCandidates = ScheduleNames.class,
        description = {
          "${COMPLETION-CANDIDATES}; of several, a run for each. Default: ${DEFAULT-VALUE}"
        })
    List<String> schedules;

    @Option(
        names = "--warmup",
        paramLabel = "WARMUP[,WARMUP...]",
        hideParamSyntax = true,
        split = ",",
        completionCandidates = LowStarts.class,
        description =
            WarmUpChoice.SYNTAX
                + "; of several, a run for each. Default: linear, over 5 %% of the steps"
                + " (none for ${COMPLETION-CANDIDATES})")
    List<String> warmUps;

    /** A learning rate for every combination of what was given; mostly one. */
    List<Chosen> toLearningRates(UpdateRule rule, long steps) {
      List<Chosen> chosen = new ArrayList<>();
      for (String schedule : schedules) {
        for (double highest : rates == null ? List.of(Rules.usualRate(rule)) : rates) {
          Arguments.requireNonNegative("--lr", highest, "leave it out for the rule's default");
          for (String warmUp :
              warmUps == null ? Collections.singletonList((String) null) : warmUps) {
            WarmUpChoice shape = warmUp == null ? null : WarmUpChoice.parse(warmUp);
            chosen.add(
                new Chosen(
                    schedule, LearningRate.of(choice(schedule), shape, highest, steps, rule)));
          }
        }
      }
      return chosen;
    }

    private static ScheduleChoice choice(String schedule) {
      for (ScheduleChoice choice : ScheduleChoice.values()) {
        if (choice.toString().equals(schedule)) {
          return choice;
        }
      }
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "--schedule is '%s', must be one of %s",
              schedule,
              String.join(", ", new ScheduleNames())));
    }
  }

  /** Several workers that train one model. */
  static final class Sharing {
    /** Into how many parts a minibatch is cut unless asked otherwise. */
    static final int DEFAULT_LANES = 8;

    @Option(
        names = "--workers",
        paramLabel = "N",
        description = {
          "Train with so many workers, threads of this process: each computes the gradients of its"
              + " lanes and has its share of the optimizer's state. The result's bits do not depend"
              + " on their number."
        })
    Integer workers;

    @Option(
        names = "--lanes",
        paramLabel = "N",
        description =
            "With --workers: parts that a minibatch is cut into, at least as many as workers. The"
                + " result's bits depend on it. Default: "
                + DEFAULT_LANES)
    Integer lanes;

    boolean isAsked() {
      return workers != null;
    }

    int lanes() {
      return lanes == null ? Math.max(DEFAULT_LANES, workers) : lanes;
    }

    /** Checks that the numbers fit each other and what else was asked for. */
    void check(Task task, Saving saving) {
      if (workers == null) {
        if (lanes != null) {
          throw new IllegalArgumentException(
              "--lanes is " + lanes + ", but there is no --workers N that it is for");
        }
        return;
      }
      if (workers < 1 || workers > LaneTree.MAX_LANES) {
        throw new IllegalArgumentException(
            "--workers is " + workers + ", must be from 1 to " + LaneTree.MAX_LANES);
      }
      Options.named("lanes", "--lanes", () -> new LaneTree(lanes(), workers));
      if (task.accumulate > 1) {
        throw new IllegalArgumentException(
            "--accumulate is for training without --workers, which add up the parts of a minibatch"
                + " already: give a larger --batch, cut into more --lanes");
      }
      if (saving.checkpoint != null || saving.resume != null) {
        throw new IllegalArgumentException(
            (saving.resume == null ? "--checkpoint" : "--resume")
                + " is for training without --workers, whose shares of the state one file does not"
                + " hold: leave one of the two out");
      }
    }

    void addTo(JsonObject json) {
      if (isAsked()) {
        json.addProperty("workers", workers);
        json.addProperty("lanes", lanes());
      }
    }
  }

  /** Saving a run and going on with it. */
  static final class Saving {
    @Option(
        names = "--checkpoint",
        paramLabel = "FILE",
        description =
            "Save the run to a safetensors file, which is always a whole one, also after a crash.")
    Path checkpoint;

    @Option(
        names = "--every",
        paramLabel = "N",
        description = "Steps between saves. Default: those of an epoch")
    Long every;

    @Option(
        names = "--resume",
        paramLabel = "FILE",
        description = {
          "Go on from a checkpoint, with its settings; the result is the same to the last digit as"
              + " without a break. Options for the rate and the epochs may be given anew."
        })
    Path resume;
  }

  /** What comes out. */
  static final class Output {
    @Option(
        names = "--plot",
        paramLabel = "FILE",
        description =
            "Draw losses, accuracies and the learning rate to a .png or .svg file; of several"
                + " runs, the test losses over each other.")
    Path plot;

    @Option(
        names = "--json",
        description =
            "Print one JSON object and nothing else: backend, data, train_fraction, hidden, epochs,"
                + " batch, accumulate, seed, classes (if they have names), rule, hyperparameters, clip_norm, adaptive_clip, dtype, gradients,"
                + " master, state, small_tensor, rounding, average, lr, schedule, warmup, workers and"
                + " lanes (if asked for), with which the run comes out again; then bits (a hash of the parameters),"
                + " steps, train_loss,"
                + " test_loss, train_accuracy, test_accuracy, baselines (class_frequencies,"
                + " softmax_regression and nearest_neighbours, each with test_loss and"
                + " test_accuracy), fit, reason, notes, best_epoch, seconds,"
                + " steps_per_second; error in their place if the training diverged. Of several"
                + " runs, runs has one such object each.")
    boolean json;
  }

  /** The data sets that come with the program. */
  static final class DataNames extends NameList {
    DataNames() {
      super(DataSets.NAMES.stream());
    }
  }

  /** The default rate of each rule for the help text, such as {@code sgd 0.3}. */
  static final class UsualRates extends NameList {
    UsualRates() {
      super(
          NamedRules.names().stream()
              .map(name -> name + " " + Rules.usualRate(NamedRules.named(name))));
    }
  }

  /** The rules that take all rows at once unless asked otherwise. */
  static final class FullBatchRules extends NameList {
    FullBatchRules() {
      super(
          NamedRules.names().stream()
              .filter(name -> Rules.isForFullBatches(NamedRules.named(name))));
    }
  }

  /** Names for the help text. */
  static final class ScheduleNames extends NameList {
    ScheduleNames() {
      super(Arrays.stream(ScheduleChoice.values()).map(ScheduleChoice::toString));
    }
  }

  /** The schedules that are not warmed up unless asked. */
  static final class LowStarts extends NameList {
    LowStarts() {
      super(
          Arrays.stream(ScheduleChoice.values())
              .filter(ScheduleChoice::startsLow)
              .map(ScheduleChoice::toString));
    }
  }
}
