package io.warmstep.checkpoint;

import io.warmstep.checkpoint.JsonReader.MalformedException;
import io.warmstep.schedule.PlateauSchedule;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The non-tensor part of an optimizer checkpoint: JSON in the metadata. Unknown keys are ignored,
 * so that later releases may add some.
 *
 * @param steps how many steps have happened
 * @param skippedSteps how many steps were skipped
 * @param learningRate of the last step, or NaN before the first
 * @param groups parameters under one rule
 * @param constantLearningRate the learning rate of the next step, or NaN if a schedule determines
 *     it
 * @param schedule the schedule's description, or empty
 * @param hyperparameterSchedules descriptions of the hyperparameters' schedules
 * @param plateaus the states of the plateau schedules that the schedule contains, in order
 * @param stochasticRounding what random numbers follow from; empty where nothing was rounded
 *     stochastically, and in files that do not say
 */
public record SavedOptimizer(
    long steps,
    long skippedSteps,
    double learningRate,
    List<Group> groups,
    double constantLearningRate,
    String schedule,
    Map<String, String> hyperparameterSchedules,
    List<PlateauSchedule.State> plateaus,
    Optional<StochasticRounding> stochasticRounding) {
  /** Its key in the metadata. */
  public static final String KEY = "optimizer";

  private static final String ROUNDING = "stochastic_rounding";

  /**
   * Parameters under one rule.
   *
   * @param rule the rule's name
   * @param learningRateFactor factor on their learning rate
   * @param parameters their names
   * @param frozen whether steps excluded them; empty in files that do not say
   */
  public record Group(
      String rule, double learningRateFactor, List<String> parameters, Optional<Boolean> frozen) {
    /**
     * Creates a group.
     *
     * @param rule the rule's name
     * @param learningRateFactor factor on their learning rate
     * @param parameters their names
     * @param frozen whether steps excluded them; empty in files that do not say
     * @throws NullPointerException if a name is null
     */
    public Group {
      Objects.requireNonNull(rule, "rule");
      parameters = List.copyOf(parameters);
    }
  }

  /**
   * What the random numbers of stochastic rounding follow from, besides the element and the step.
   *
   * @param seed of all
   * @param numbers of the parameters, by name
   */
  public record StochasticRounding(long seed, Map<String, Integer> numbers) {
    /**
     * Copies the numbers.
     *
     * @param seed of all
     * @param numbers of the parameters, by name
     * @throws IllegalArgumentException if one is negative, or two parameters share one
     */
    public StochasticRounding {
      numbers = Map.copyOf(numbers);
      if (Set.copyOf(numbers.values()).size() < numbers.size()
          || numbers.values().stream().anyMatch(number -> number < 0)) {
        throw new IllegalArgumentException("no number of its own for each parameter: " + numbers);
      }
    }

    private Map<String, Object> toJson() {
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("seed", seed);
      json.put("numbers", new TreeMap<>(numbers));
      return json;
    }
  }

  /**
   * Creates a description.
   *
   * @param steps how many steps have happened
   * @param skippedSteps how many steps were skipped
   * @param learningRate of the last step, or NaN before the first
   * @param groups parameters under one rule
   * @param constantLearningRate the learning rate of the next step, or NaN if a schedule determines
   *     it
   * @param schedule the schedule's description, or empty
   * @param hyperparameterSchedules descriptions of the hyperparameters' schedules
   * @param plateaus the states of the plateau schedules that the schedule contains, in order
   * @param stochasticRounding what random numbers follow from, if anything was rounded
   *     stochastically
   * @throws NullPointerException if one is null
   */
  public SavedOptimizer {
    Objects.requireNonNull(schedule, "schedule");
    hyperparameterSchedules = Map.copyOf(hyperparameterSchedules);
    groups = List.copyOf(groups);
    plateaus = List.copyOf(plateaus);
  }

  /**
   * Returns the JSON text.
   *
   * @return one line of JSON
   */
  public String toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("steps", steps);
    json.put("skipped_steps", skippedSteps);
    json.put("learning_rate", number(learningRate));
    List<Object> written = new ArrayList<>();
    for (Group group : groups) {
      Map<String, Object> members = new LinkedHashMap<>();
      members.put("rule", group.rule);
      members.put("learning_rate_factor", group.learningRateFactor);
      members.put("parameters", group.parameters);
      group.frozen.ifPresent(frozen -> members.put("frozen", frozen));
      written.add(members);
    }
    json.put("groups", written);
    if (!Double.isNaN(constantLearningRate)) {
      json.put("constant_learning_rate", constantLearningRate);
    }
    json.put("schedule", schedule);
    if (!hyperparameterSchedules.isEmpty()) {
      json.put("hyperparameter_schedules", new TreeMap<>(hyperparameterSchedules));
    }
    List<Object> states = new ArrayList<>();
    for (PlateauSchedule.State state : plateaus) {
      Map<String, Object> members = new LinkedHashMap<>();
      members.put("rate", state.rate());
      members.put("best", number(state.best()));
      members.put("bad_reports", state.badReports());
      members.put("cooldown_left", state.cooldownLeft());
      states.add(members);
    }
    json.put("plateaus", states);
    stochasticRounding.ifPresent(its -> json.put(ROUNDING, its.toJson()));
    return JsonWriter.text(json);
  }

  /** JSON has no infinity and no NaN: they are written as strings, in Java's notation. */
  private static Object number(double value) {
    return Double.isFinite(value) ? (Object) value : Double.toString(value);
  }

  /**
   * Reads the description from a file's metadata.
   *
   * @param reader the file
   * @return the description, or empty if the file has none
   * @throws CorruptCheckpointException if it is invalid
   */
  public static Optional<SavedOptimizer> of(CheckpointReader reader)
      throws CorruptCheckpointException {
    String text = reader.metadata().get(KEY);
    if (text == null || !reader.isOurs()) {
      return Optional.empty();
    }
    try {
      JsonReader json = new JsonReader(text.getBytes(StandardCharsets.UTF_8));
      Map<?, ?> members = (Map<?, ?>) json.value();
      json.end();
      return Optional.of(of(members));
    } catch (MalformedException | RuntimeException e) {
      throw new CorruptCheckpointException(
          reader.source(), "its metadata \"" + KEY + "\" makes no sense: " + e, e);
    }
  }

  private static SavedOptimizer of(Map<?, ?> json) {
    List<Group> groups = new ArrayList<>();
    for (Object group : (List<?>) json.get("groups")) {
      Map<?, ?> members = (Map<?, ?>) group;
      groups.add(
          new Group(
              (String) members.get("rule"),
              number(members.get("learning_rate_factor")),
              ((List<?>) members.get("parameters")).stream().map(String.class::cast).toList(),
              Optional.ofNullable((Boolean) members.get("frozen"))));
    }
    List<PlateauSchedule.State> plateaus = new ArrayList<>();
    for (Object plateau : (List<?>) json.get("plateaus")) {
      Map<?, ?> members = (Map<?, ?>) plateau;
      plateaus.add(
          new PlateauSchedule.State(
              number(members.get("rate")),
              number(members.get("best")),
              count(members.get("bad_reports")),
              count(members.get("cooldown_left"))));
    }
    return new SavedOptimizer(
        count(json.get("steps")),
        count(json.get("skipped_steps")),
        number(json.get("learning_rate")),
        groups,
        json.containsKey("constant_learning_rate")
            ? number(json.get("constant_learning_rate"))
            : Double.NaN,
        (String) json.get("schedule"),
        schedules(json.get("hyperparameter_schedules")),
        plateaus,
        stochasticRounding((Map<?, ?>) json.get(ROUNDING)));
  }

  private static Optional<StochasticRounding> stochasticRounding(Map<?, ?> json) {
    if (json == null) {
      return Optional.empty();
    }
    Map<String, Integer> numbers = new TreeMap<>();
    ((Map<?, ?>) json.get("numbers"))
        .forEach((name, number) -> numbers.put((String) name, Math.toIntExact((Long) number)));
    return Optional.of(new StochasticRounding((Long) json.get("seed"), numbers));
  }

  private static Map<String, String> schedules(Object json) {
    Map<String, String> schedules = new TreeMap<>();
    if (json != null) {
      ((Map<?, ?>) json).forEach((name, text) -> schedules.put((String) name, (String) text));
    }
    return schedules;
  }

  private static double number(Object json) {
    return json instanceof String text ? Double.parseDouble(text) : ((Number) json).doubleValue();
  }

  private static long count(Object json) {
    double value = ((Number) json).doubleValue();
    if (!(value >= 0) || value != Math.rint(value)) {
      throw new IllegalArgumentException(value + " is no count");
    }
    return ((Number) json).longValue();
  }
}
