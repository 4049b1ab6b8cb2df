package io.warmstep.cli.lab;

import io.warmstep.cli.data.Split;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;

/**
 * What the lab looks at.
 *
 * @param data what the user calls the data
 * @param split training and validation rows
 * @param hidden sizes of the hidden layers
 * @param batch rows of a minibatch
 * @param ruleName what the user calls the rule
 * @param rule the update rule
 * @param options what the user gave on the command line to say all this
 * @param seed the first seed; others follow it
 */
public record LabTask(
    String data,
    Split split,
    List<Integer> hidden,
    int batch,
    String ruleName,
    UpdateRule rule,
    String options,
    long seed) {

  /** A run of the task that has yet to be given its rate. */
  RunSetup setup() {
    return new RunSetup(
        split.train(), split.test(), hidden, rule, LearningRate.constant(0), batch, seed);
  }

  /** A run as {@code train} does it unless told otherwise: a cosine after a short warm-up. */
  RunSetup setup(double highest, int steps) {
    return setup().rate(LearningRate.of(ScheduleChoice.COSINE, null, highest, steps, rule));
  }

  /** The same run with several seeds. */
  static List<RunSetup> seeds(RunSetup setup, int count) {
    List<RunSetup> setups = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      setups.add(setup.seed(setup.seed() + i));
    }
    return setups;
  }

  /** Such as 64-32-10. */
  String layers() {
    return layers(hidden);
  }

  String layers(List<Integer> sizes) {
    StringBuilder text = new StringBuilder().append(split.train().columns());
    sizes.forEach(size -> text.append('-').append(size));
    return text.append('-').append(split.train().classes()).toString();
  }
}
