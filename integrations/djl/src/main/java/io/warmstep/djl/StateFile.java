package io.warmstep.djl;

import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Optimizer states in a safetensors file. A parameter {@code 01Linear_weight} under Adam has the
 * tensors {@code 01Linear_weight.step} (I64, one element), {@code 01Linear_weight.exp_avg} and
 * {@code 01Linear_weight.exp_avg_sq} (flat, row-major; F32, or F64 for a float64 parameter). The
 * metadata has {@code format}, {@code rule}, {@code untrained}: a JSON array of the names of the
 * block's parameters that had no state, and {@code crc32c}: see {@link SafeTensors}.
 */
final class StateFile {
  private static final String FORMAT = "warmstep-djl-1";
  private static final String STEP = "step";
  private static final String UNTRAINED = "untrained";

  private StateFile() {}

  static void write(Path path, Recipe recipe, Block block, Map<String, ParameterState> states)
      throws IOException {
    Map<String, Object> tensors = new LinkedHashMap<>();
    JsonArray untrained = new JsonArray();
    BlockParameters.named(block)
        .forEach(
            (name, parameter) -> {
              ParameterState state = states.get(parameter.getId());
              if (state == null) {
                untrained.add(name);
              } else {
                tensors.put(name + "." + STEP, new long[] {state.steps()});
                state.slots().forEach((slot, values) -> tensors.put(name + "." + slot, values));
              }
            });
    if (tensors.isEmpty()) {
      throw new IllegalStateException(
          "there is no state to save: no parameter of the block has been updated");
    }
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("format", FORMAT);
    metadata.put("rule", recipe.rule().name());
    metadata.put(UNTRAINED, untrained.toString());
    new SafeTensors(metadata, tensors).write(path);
  }

  /**
   * Reads states and checks them against a block. A parameter that had none when the file was
   * written has none now, whether it is trained by now or not.
   *
   * @return the states by parameter id
   * @throws CorruptStateException if the file is damaged or no such file
   * @throws IllegalArgumentException if it is of another model or rule
   */
  static Map<String, ParameterState> read(Path path, Recipe recipe, Block block)
      throws IOException {
    SafeTensors file = SafeTensors.read(path, FORMAT);
    String rule = file.required(path, "rule");
    Set<String> untrained = untrained(path, file.required(path, UNTRAINED));
    Map<String, ParameterState> byName = byName(path, file);
    for (String name : byName.keySet()) {
      if (untrained.contains(name)) {
        throw new CorruptStateException(path, name + " is " + UNTRAINED + " and has a state");
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
          check(path, name, state, recipe.slots(name), parameters.get(name).getShape().size());
          byId.put(parameters.get(name).getId(), state);
        });
    return byId;
  }

  private static Set<String> untrained(Path path, String json) throws CorruptStateException {
    Set<String> names = new HashSet<>();
    try {
      for (JsonElement name : SafeTensorsHeader.json(json).getAsJsonArray()) {
        if (!name.isJsonPrimitive() || !name.getAsJsonPrimitive().isString()) {
          throw new IllegalStateException(name + " is not a name");
        }
        names.add(name.getAsString());
      }
    } catch (JsonParseException | IllegalStateException e) {
      throw new CorruptStateException(
          path, UNTRAINED + " is not a list of names: " + e.getMessage(), e);
    }
    return names;
  }

  private static Map<String, ParameterState> byName(Path path, SafeTensors file)
      throws CorruptStateException {
    Map<String, ParameterState> states = new LinkedHashMap<>();
    for (Map.Entry<String, Object> tensor : file.tensors().entrySet()) {
      int dot = tensor.getKey().lastIndexOf('.');
      String name = tensor.getKey().substring(0, Math.max(dot, 0));
      String slot = tensor.getKey().substring(dot + 1);
      ParameterState state =
          states.computeIfAbsent(name, key -> new ParameterState(-1, new LinkedHashMap<>()));
      if (!slot.equals(STEP)) {
        state.slots().put(slot, tensor.getValue());
      } else if (tensor.getValue() instanceof long[] steps && steps.length == 1 && steps[0] >= 0) {
        states.put(name, state.withSteps(steps[0]));
      } else {
        throw new CorruptStateException(path, tensor.getKey() + " is not a count of steps");
      }
    }
    return states;
  }

  private static void checkNames(
      Path path, Set<String> saved, Set<String> untrained, Map<String, Parameter> parameters) {
    List<String> unknown = new ArrayList<>(saved);
    unknown.removeAll(parameters.keySet());
    List<String> missing = new ArrayList<>();
    parameters.forEach(
        (name, parameter) -> {
          boolean isTold = saved.contains(name) || untrained.contains(name);
          if (parameter.requiresGradient() && !isTold) {
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
      Path path, String name, ParameterState state, List<String> slots, long length) {
    boolean fits = state.steps() >= 0 && state.slots().keySet().equals(Set.copyOf(slots));
    for (Object values : state.slots().values()) {
      fits = fits && !(values instanceof long[]) && ParameterState.length(values) == length;
    }
    if (!fits) {
      throw new IllegalArgumentException(
          path
              + " does not fit the model: \""
              + name
              + "\" must have a step and "
              + slots
              + " of "
              + length
              + " elements each, the file has "
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
