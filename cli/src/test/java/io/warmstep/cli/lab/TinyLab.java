package io.warmstep.cli.lab;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.cli.rules.NamedRules;
import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;

/** Labs that take a second. */
final class TinyLab {
  static final LabPlan PLAN = new LabPlan("tiny", 2, 24, 60, 3, 3, 60, 6, 9, 3);

  private TinyLab() {}

  static LabTask task(DataSet data, List<Integer> hidden, String rule, long seed) {
    return new LabTask(
        data.name(),
        Split.of(data, 0.8, seed),
        hidden,
        16,
        rule,
        NamedRules.named(rule),
        "--data " + data.name() + " --rule " + rule,
        seed);
  }

  static LabTask breastCancer(long seed) throws IOException {
    return task(DataSets.breastCancer(), List.of(4), "adam", seed);
  }

  static LabReport run(LabTask task, int threads) {
    return run(task, PLAN, MapSetting.WEIGHT_DECAY, threads, lab -> {});
  }

  static LabReport run(
      LabTask task, LabPlan plan, MapSetting setting, int threads, Consumer<Lab> onBegin) {
    Lab[] lab = new Lab[1];
    Progress progress =
        new Progress() {
          @Override
          public void begin(String what) {
            onBegin.accept(lab[0]);
          }

          @Override
          public void advance(int steps) {}
        };
    try (Device device = Devices.cpu(1);
        Lab made = new Lab(task, plan, setting, device, threads, progress)) {
      lab[0] = made;
      return made.run();
    }
  }
}
