package io.warmstep.cli;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CorruptCheckpointException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** The settings of a run in its checkpoint: whoever resumes it need not give them again. */
final class TrainResume {
  /** Where they are in the metadata. */
  static final String KEY = "train";

  /** Those without which the file's values, state and position make no sense. */
  private static final Set<String> OF_THE_RUN =
      Set.of(
          "--data",
          "--train-fraction",
          "--hidden",
          "--batch",
          "--accumulate",
          "--seed",
          "--rule",
          "--caution",
          "--lookahead");

  private static final Set<String> OF_A_START =
      Set.of("--checkpoint", "--every", "--resume", "--plot", "--json", "--backend");

  private TrainResume() {}

  /**
   * The settings as options, as a user would write them.
   *
   * @param batch the rows of a minibatch, whose default depends on the rule
   */
  static String settings(CommandSpec spec, int batch) {
    JsonObject json = new JsonObject();
    json.addProperty("--batch", String.valueOf(batch));
    ParseResult given = spec.commandLine().getParseResult();
    for (OptionSpec option : spec.options()) {
      String name = option.longestName();
      String value =
          given.hasMatchedOption(option)
              ? String.join(",", given.matchedOption(name).originalStringValues())
              : option.defaultValue();
      if (option.arity().max() > 0 && value != null && !OF_A_START.contains(name)) {
        json.addProperty(name, value);
      }
    }
    return Json.text(json);
  }

  /**
   * Adds the settings of a run to those that were given.
   *
   * @throws ParameterException if one was given that is another than the run's and must not be
   */
  static void apply(CheckpointReader file, CommandSpec spec) throws IOException {
    Map<String, String> saved = saved(file);
    ParseResult given = spec.commandLine().getParseResult();
    List<String> arguments = new ArrayList<>();
    for (OptionSpec option : given.matchedOptions()) {
      String name = option.longestName();
      List<String> values = option.originalStringValues();
      String former = saved.remove(name);
      if (OF_THE_RUN.contains(name) && !String.join(",", values).equals(former)) {
        throw new ParameterException(
            spec.commandLine(),
            "%s is %s, but %s was trained with %s: leave it out, or train anew"
                .formatted(name, String.join(",", values), file.source(), former));
      }
      arguments.add(name);
      if (option.arity().max() > 0) {
        arguments.addAll(values);
      }
    }
    saved.forEach(
        (name, value) -> {
          if (spec.findOption(name) != null) {
            arguments.add(name);
            arguments.add(value);
          }
        });
    spec.commandLine().parseArgs(arguments.toArray(String[]::new));
  }

  private static Map<String, String> saved(CheckpointReader file) throws IOException {
    String text = file.metadata().get(KEY);
    if (text == null || !file.isOurs()) {
      throw new CorruptCheckpointException(
          file.source(), "it was not written by 'warmstep train --checkpoint'");
    }
    Map<String, String> saved = new LinkedHashMap<>();
    try {
      for (Map.Entry<String, JsonElement> setting :
          JsonParser.parseString(text).getAsJsonObject().entrySet()) {
        saved.put(setting.getKey(), setting.getValue().getAsString());
      }
    } catch (JsonParseException | IllegalStateException | UnsupportedOperationException e) {
      throw new CorruptCheckpointException(
          file.source(), "its metadata \"" + KEY + "\" makes no sense: " + e.getMessage(), e);
    }
    return saved;
  }
}
