package io.warmstep.djl;

import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import io.warmstep.check.Names;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.CorruptCheckpointException;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.PyTorchNames;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.checkpoint.TensorSource;
import io.warmstep.rule.StateSlot;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Optimizer states in a file of {@link CheckpointWriter}'s. A parameter {@code 01Linear_weight}
 * under Adam has the tensors {@code state.01Linear_weight.step} (I64, one element), {@code
 * state.01Linear_weight.exp_avg} and {@code state.01Linear_weight.exp_avg_sq} (flat, row-major;
 * F32, or F64 for a float64 parameter). The metadata has {@code rule} and {@code untrained}: a JSON
 * array of the names of the block's parameters that had no state.
 *
 * <p>The first files of this module had the same without {@code state.} before the names; they are
 * read too.
 */
final class StateFile {
  private static final String FIRST_FORMAT = "warmstep-djl-1";
  private static final String RULE = "rule";
  private static final String UNTRAINED = "untrained";

  private StateFile() {}

  static void write(Path path, Recipe recipe, Block block, Map<String, ParameterState> states)
      throws IOException {
    CheckpointWriter writer = new CheckpointWriter();
    JsonArray untrained = new JsonArray();
    Map<String, Parameter> named = BlockParameters.named(block);
    named.forEach(
        (name, parameter) -> {
          ParameterState state = states.get(parameter.getId());
          if (state == null) {
            untrained.add(name);
          } else {
            add(writer, name, state);
          }
        });
    if (untrained.size() == named.size()) {
      throw new IllegalStateException(
          "there is no state to save: no parameter of the block has been updated");
    }
    writer
        .metadata(RULE, recipe.rule().name())
        .metadata(UNTRAINED, untrained.toString())
        .write(path);
  }

  private static void add(CheckpointWriter writer, String name, ParameterState state) {
    writer.number(PyTorchNames.state(name, PyTorchNames.STEP), state.steps());
    state
        .slots()
        .forEach(
            (slot, values) ->
                writer.tensor(
                    PyTorchNames.state(name, slot),
                    values instanceof double[] ? ElementFormat.F64 : ElementFormat.F32,
                    List.of((long) ParameterState.length(values)),
                    TensorSource.of(values)));
  }

  /**
   * Reads states and checks them against a block. A parameter that had none when the file was
   * written has none now, whether it is trained by now or not.
   *
   * @return the states by parameter id
   * @throws CorruptCheckpointException if the file is damaged or no such file
   * @throws IllegalArgumentException if it is of another model or rule
   */
  static Map<String, ParameterState> read(Path path, Recipe recipe, Block block)
      throws IOException {
    String rule;
    Set<String> untrained;
    Map<String, ParameterState> byName;
    try (CheckpointReader file = CheckpointReader.open(path)) {
      rule = required(file, RULE);
      untrained = untrained(path, required(file, UNTRAINED));
      file.verify();
      byName = byName(path, file);
    }
    for (String name : byName.keySet()) {
      if (untrained.contains(name)) {
        throw new CorruptCheckpointException(
            path.toString(), name + " is " + UNTRAINED + " and has a state");
      }
    }
    if (!recipe.rule().name().equals(rule)) {
      throw new IllegalArgumentException(
          path + " has states of rule " + rule + ", the optimizer's is " + recipe.rule().name());
    }
    Map<String, Parameter> parameters = BlockParameters.named(block);
    checkNames(path, byName.keySet(), untrained, parameters);
    Map<String, ParameterState> byId = new LinkedHashMap<>();
    byName.forEach(
        (name, state) -> {
          if (!parameters.get(name).isInitialized()) {
            throw new IllegalStateException(
                "parameter \""
                    + name
                    + "\" is not initialized: call trainer.initialize(...) first");
          }
          List<Long> shape =
              Arrays.stream(parameters.get(name).getShape().getShape()).boxed().toList();
          check(path, name, state, recipe.slots(name, shape), shape);
          byId.put(parameters.get(name).getId(), state);
        });
    return byId;
  }

  private static String required(CheckpointReader file, String key)
      throws CorruptCheckpointException {
    String text = file.metadata().get(key);
    if (text == null || file.checksum().isEmpty()) {
      throw new CorruptCheckpointException(
          file.source(),
          text == null ? "it has no " + key + " in its metadata" : "it has no checksum");
    }
    return text;
  }

  private static Set<String> untrained(Path path, String json) throws CorruptCheckpointException {
    Set<String> names = new HashSet<>();
    try {
      for (JsonElement name : json(json).getAsJsonArray()) {
        if (!name.isJsonPrimitive() || !name.getAsJsonPrimitive().isString()) {
          throw new IllegalStateException(name + " is not a name");
        }
        names.add(name.getAsString());
      }
    } catch (JsonParseException | IllegalStateException e) {
      throw new CorruptCheckpointException(
          path.toString(), UNTRAINED + " is not a list of names: " + e.getMessage(), e);
    }
    return names;
  }

  /** Reads JSON as the standard has it, where Gson's default lets comments and bare words pass. */
  private static JsonElement json(String text) {
    JsonReader reader = new JsonReader(new StringReader(text));
    reader.setStrictness(Strictness.STRICT);
    JsonElement json = JsonParser.parseReader(reader);
    try {
      if (reader.peek() == JsonToken.END_DOCUMENT) {
        return json;
      }
    } catch (IOException e) {
      throw new JsonParseException(e);
    }
    throw new JsonParseException("something follows");
  }

  private static Map<String, ParameterState> byName(Path path, CheckpointReader file)
      throws IOException {
    String prefix = FIRST_FORMAT.equals(file.metadata().get("format")) ? "" : PyTorchNames.STATE;
    Map<String, ParameterState> states = new LinkedHashMap<>();
    for (TensorEntry tensor : file.tensors()) {
      int dot = tensor.name().lastIndexOf('.');
      if (!tensor.name().startsWith(prefix) || dot < prefix.length()) {
        continue;
      }
      String name = tensor.name().substring(prefix.length(), dot);
      String slot = tensor.name().substring(dot + 1);
      ParameterState state =
          states.computeIfAbsent(name, key -> new ParameterState(-1, new LinkedHashMap<>()));
      Object values = values(path, file, tensor);
      if (!slot.equals(PyTorchNames.STEP)) {
        state.slots().put(slot, values);
      } else if (values instanceof long[] steps && steps.length == 1 && steps[0] >= 0) {
        states.put(name, state.withSteps(steps[0]));
      } else {
        throw new CorruptCheckpointException(
            path.toString(), tensor.name() + " is not a count of steps");
      }
    }
    return states;
  }

  private static Object values(Path path, CheckpointReader file, TensorEntry tensor)
      throws IOException {
    if (tensor.count() > Integer.MAX_VALUE - 8) {
      throw new CorruptCheckpointException(path.toString(), tensor + " is too large");
    }
    int count = (int) tensor.count();
    Object values =
        switch (tensor.format()) {
          case F32 -> new float[count];
          case F64 -> new double[count];
          case I64 -> new long[count];
          default ->
              throw new CorruptCheckpointException(
                  path.toString(), tensor + " is of another type than F32, F64 and I64");
        };
    file.read(tensor, 0, values, 0, count);
    return values;
  }

  private static void checkNames(
      Path path, Set<String> saved, Set<String> untrained, Map<String, Parameter> parameters) {
    List<String> unknown = new ArrayList<>(saved);
    unknown.removeAll(parameters.keySet());
    List<String> missing = new ArrayList<>();
    parameters.forEach(
        (name, parameter) -> {
          boolean isKnown = saved.contains(name) || untrained.contains(name);
          if (parameter.requiresGradient() && !isKnown) {
            missing.add(name);
          }
        });
    if (!unknown.isEmpty() || !missing.isEmpty()) {
      throw new IllegalArgumentException(
          path
              + " does not fit the model: "
              + (unknown.isEmpty() ? "" : "the model has no " + Names.abbreviated(unknown))
              + (unknown.isEmpty() || missing.isEmpty() ? "" : "; ")
              + (missing.isEmpty()
                  ? ""
                  : "the file has no state of " + Names.abbreviated(missing)));
    }
  }

  private static void check(
      Path path, String name, ParameterState state, List<StateSlot> slots, List<Long> shape) {
    boolean fits = state.steps() >= 0 && state.slots().size() == slots.size();
    for (StateSlot slot : slots) {
      Object values = state.slots().get(slot.name());
      fits =
          fits
              && values != null
              && !(values instanceof long[])
              && ParameterState.length(values) == slot.length(shape);
    }
    if (!fits) {
      throw new IllegalArgumentException(
          path
              + " does not fit the model: \""
              + name
              + "\" must have a step and "
              + slots.stream().map(slot -> slot.name() + " of " + slot.length(shape)).toList()
              + ", the file has "
              + (state.steps() < 0 ? "no step and " : "a step and ")
              + describe(state));
    }
  }

  private static String describe(ParameterState state) {
    List<String> parts = new ArrayList<>();
    state
        .slots()
        .forEach(
            (slot, values) -> parts.add(slot + " of " + java.lang.reflect.Array.getLength(values)));
    return parts.toString();
  }
}
