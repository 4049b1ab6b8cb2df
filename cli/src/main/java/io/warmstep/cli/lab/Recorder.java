package io.warmstep.cli.lab;

import io.warmstep.EventFile;
import io.warmstep.cli.train.History;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** The runs that get an event file each, so that TensorBoard shows them too. */
final class Recorder {
  private final Map<String, History> runs = new LinkedHashMap<>();

  void keep(String run, History history) {
    runs.put(run, history);
  }

  void write(Path folder) throws IOException {
    for (Map.Entry<String, History> run : runs.entrySet()) {
      try (EventFile file = EventFile.create(folder.resolve(run.getKey()))) {
        write(file, run.getValue());
      }
    }
  }

  private static void write(EventFile file, History history) throws IOException {
    for (History.Point point : history.points()) {
      file.scalar("loss/training", point.step(), point.train().loss());
      file.scalar("loss/validation", point.step(), point.test().loss());
      file.scalar("accuracy/training", point.step(), point.train().accuracy());
      file.scalar("accuracy/validation", point.step(), point.test().accuracy());
      if (point.step() > 0) {
        file.scalar("learning_rate", point.step(), history.rate((int) point.step()));
      }
    }
  }
}
