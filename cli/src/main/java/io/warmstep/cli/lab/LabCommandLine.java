package io.warmstep.cli.lab;

/** The commands that the page shows. */
final class LabCommandLine {
  private LabCommandLine() {}

  /** The command that makes the page again. */
  static String of(Bench bench) {
    String plan = bench.plan().name().equals("default") ? "" : " --" + bench.plan().name();
    return "bin/warmstep lab" + options(bench) + plan;
  }

  /** The command that trains as the lab suggests. */
  static String train(Bench bench, String schedule, String warmUp) {
    LabTask task = bench.task();
    int perEpoch = (task.split().train().rows() + task.batch() - 1) / task.batch();
    return "bin/warmstep train"
        + options(bench)
        + " --lr "
        + Say.number(bench.findings().rate)
        + " --schedule "
        + schedule
        + " --warmup "
        + warmUp
        + " --epochs "
        + Math.max(1, (bench.plan().steps() + perEpoch - 1) / perEpoch);
  }

  private static String options(Bench bench) {
    return bench.task().options().isEmpty() ? "" : " " + bench.task().options();
  }
}
