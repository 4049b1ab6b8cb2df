package io.warmstep.cli;

import io.warmstep.cli.lab.LabPlan;
import io.warmstep.cli.lab.MapSetting;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** The options of {@code warmstep lab}, in the groups that its help text shows. */
final class LabOptions {
  private LabOptions() {}

  /** What is looked at. */
  static final class Task extends TrainOptions.Data {
    @Option(
        names = "--hidden",
        paramLabel = "N[,N...]",
        hideParamSyntax = true,
        split = ",",
        defaultValue = "32",
        description = "Sizes of the hidden layers. Default: ${DEFAULT-VALUE}")
    List<Integer> hidden;

    @Option(
        names = "--batch",
        paramLabel = "N",
        defaultValue = "32",
        description = "Rows of a minibatch. Default: ${DEFAULT-VALUE}")
    int batch;

    /** Such as {@code --data digits --hidden 32 --batch 32}; what is not usual only. */
    String text() {
      return "--data "
          + (data.matches("[\\w./+-]+") ? data : "'" + data.replace("'", "'\\''") + "'")
          + (trainFraction == 0.8 ? "" : " --train-fraction " + trainFraction)
          + " --hidden "
          + hidden.stream().map(String::valueOf).collect(Collectors.joining(","))
          + " --batch "
          + batch
          + (seed == 0 ? "" : " --seed " + seed);
    }
  }

  /** How much is done, and what comes out. */
  static final class Extent {
    @Option(names = "--quick", description = "Fewer and shorter runs: about 20 seconds.")
    boolean quick;

    @Option(names = "--thorough", description = "More and longer runs: some minutes.")
    boolean thorough;

    @Option(
        names = "--map",
        paramLabel = "SETTING",
        completionCandidates = MapNames.class,
        description =
            "What the rate is mapped against: ${COMPLETION-CANDIDATES}. Default: weight-decay")
    String map = "weight-decay";

    @Option(
        names = "--threads",
        paramLabel = "N",
        description = "Runs at a time; has no influence on results. Default: the processors")
    Integer threads;

    @Option(
        names = "--out",
        paramLabel = "FOLDER",
        defaultValue = "target/lab",
        description = {
          "Where to write: a new or empty folder, or that of an earlier lab, which is replaced."
              + " Default: ${DEFAULT-VALUE}"
        })
    Path out;

    @Option(
        names = "--json",
        description = "Print one JSON object, the head of lab.json, and nothing else.")
    boolean json;

    LabPlan toPlan() {
      if (quick && thorough) {
        throw new IllegalArgumentException("--quick and --thorough exclude each other: give one");
      }
      return quick ? LabPlan.quick() : thorough ? LabPlan.thorough() : LabPlan.usual();
    }

    int toThreads() {
      int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
      if (count < 1) {
        throw new IllegalArgumentException("--threads is " + count + ", must be at least 1");
      }
      return count;
    }

    MapSetting toMapSetting(UpdateRule rule) {
      for (MapSetting setting : MapSetting.values()) {
        if (setting.toString().equals(map)) {
          if (setting == MapSetting.MOMENTUM && !RuleSettings.has(rule, "momentum")) {
            throw new IllegalArgumentException(
                "--map is momentum, which rule " + rule.name() + " does not have");
          }
          return setting;
        }
      }
      throw new IllegalArgumentException(
          "--map is '%s', must be one of %s".formatted(map, String.join(", ", new MapNames())));
    }
  }

  /** Names for the help text. */
  static final class MapNames extends NameList {
    MapNames() {
      super(Arrays.stream(MapSetting.values()).map(MapSetting::toString));
    }
  }
}
