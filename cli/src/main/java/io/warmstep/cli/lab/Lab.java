package io.warmstep.cli.lab;

import com.google.gson.JsonObject;
import io.warmstep.Device;
import io.warmstep.cli.train.Baselines;
import java.util.ArrayList;
import java.util.List;

/** The optimizer lab: does the studies one after the other and concludes. */
public final class Lab implements AutoCloseable {
  private final Bench bench;
  private final List<Study> studies;

  /**
   * Prepares a lab.
   *
   * @param task what is looked at
   * @param plan how much is done
   * @param setting what the rate is mapped against
   * @param device where steps run
   * @param threads runs at a time
   * @param progress hears how far it is
   */
  public Lab(
      LabTask task,
      LabPlan plan,
      MapSetting setting,
      Device device,
      int threads,
      Progress progress) {
    Workbench work = new Workbench(device, threads, progress);
    Baselines baselines = Baselines.of(task.split());
    bench =
        new Bench(task, baselines, plan, work, new Findings(), new Recorder(), new JsonObject());
    bench.findings().chance = baselines.classFrequencies().loss();
    studies =
        List.of(
            new RangeStudy(bench),
            new RateStudy(bench),
            new MapStudy(bench, setting),
            new FitStudy(bench),
            new SurfacesStudy(bench),
            new PlaneStudy(bench),
            new ScheduleStudy(bench),
            new RaceStudy(bench),
            new HealthStudy(bench),
            new BitsStudy(bench));
  }

  /**
   * How many steps it will take, for a progress bar.
   *
   * @return about as many as {@link Progress#advance} will hear of
   */
  public long steps() {
    return studies.stream().mapToLong(Study::steps).sum();
  }

  /**
   * Does all studies, or those that are finished when {@link #stop} is called.
   *
   * @return what was found
   */
  public LabReport run() {
    List<Section> sections = new ArrayList<>();
    for (Study study : studies) {
      try {
        bench.work().begin(study.name());
        long start = System.nanoTime();
        sections.add(study.run());
        time(study.name(), System.nanoTime() - start);
      } catch (StoppedException e) {
        bench.findings().isStopped = true;
        break;
      }
    }
    Conclusion conclusion = new Conclusion(bench);
    sections.add(0, conclusion.head());
    sections.add(conclusion.next());
    return new LabReport(bench, conclusion, sections);
  }

  private void time(String study, long nanos) {
    if (!bench.timings().has("seconds")) {
      bench.timings().add("seconds", new JsonObject());
    }
    bench.timings().getAsJsonObject("seconds").add(study, Chart.json(nanos / 1e9));
  }

  /** Ends the run soon; {@link #run} then returns what is finished. From any thread. */
  public void stop() {
    bench.work().stop();
  }

  @Override
  public void close() {
    bench.work().close();
  }
}
