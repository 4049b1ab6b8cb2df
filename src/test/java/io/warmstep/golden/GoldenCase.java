package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * One trajectory that PyTorch, or the case's reference, computed. Its JSON stands behind the
 * accessors.
 *
 * @param tensors by name, in the order of the parameters
 * @param isStrict whether each element agrees to twelve digits, not only the tensor
 */
record GoldenCase(String name, JsonObject json, Map<String, Start> tensors, boolean isStrict) {
  /** What the tensor of a file is called that has one. */
  private static final String ONLY = "p";

  /** What the parameter itself is called among the values of a tensor. */
  static final String PARAMS = "params";

  /** What the weights to evaluate with are called, where the reference distinguishes them. */
  static final String EVALUATED = "eval_params";

  /** A parameter's starting values and the gradient of each step. */
  record Start(long[] shape, double[] values, double[][] gradients) {}

  /**
   * What the reference had after a step: by tensor, the parameter as {@code params} and its state
   * by the reference's names; what is one number for a tensor is in {@code numbers}.
   */
  record Snapshot(
      int step,
      Map<String, Map<String, double[]>> values,
      Map<String, Map<String, Double>> numbers) {}

  /** The cases of every file. */
  static List<GoldenCase> all() {
    List<GoldenCase> cases = ofOneTensor(read("optimizers.json"));
    cases.addAll(ofSeveral(read("modern.json")));
    return cases;
  }

  private static List<GoldenCase> ofOneTensor(JsonObject file) {
    double[] initial = numbers(file.getAsJsonArray("initial"));
    List<GoldenCase> cases = new ArrayList<>();
    for (JsonElement element : file.getAsJsonArray("cases")) {
      JsonObject json = element.getAsJsonObject();
      double[][] gradients =
          gradients(
              file.getAsJsonObject("streams").getAsJsonArray(json.get("stream").getAsString()));
      Start start = new Start(new long[] {initial.length}, initial, gradients);
      cases.add(new GoldenCase(json.get("name").getAsString(), json, Map.of(ONLY, start), true));
    }
    return cases;
  }

  private static List<GoldenCase> ofSeveral(JsonObject file) {
    List<GoldenCase> cases = new ArrayList<>();
    for (JsonElement element : file.getAsJsonArray("cases")) {
      JsonObject json = element.getAsJsonObject();
      JsonObject stream =
          file.getAsJsonObject("streams").getAsJsonObject(json.get("stream").getAsString());
      Map<String, Start> tensors = new LinkedHashMap<>();
      for (JsonElement name : json.getAsJsonArray("tensors")) {
        JsonObject tensor = file.getAsJsonObject("tensors").getAsJsonObject(name.getAsString());
        tensors.put(
            name.getAsString(),
            new Start(
                Arrays.stream(numbers(tensor.getAsJsonArray("shape")))
                    .mapToLong(length -> (long) length)
                    .toArray(),
                numbers(tensor.getAsJsonArray("initial")),
                gradients(stream.getAsJsonArray(name.getAsString()))));
      }
      cases.add(new GoldenCase(json.get("name").getAsString(), json, tensors, false));
    }
    return cases;
  }

  /** The same from other starting values, which float32 has, too. Its snapshots are not that. */
  GoldenCase fromStart(double factor) {
    Map<String, Start> others = new LinkedHashMap<>();
    tensors.forEach(
        (tensor, start) ->
            others.put(
                tensor,
                new Start(
                    start.shape(),
                    Arrays.stream(start.values()).map(x -> (float) (x * factor)).toArray(),
                    start.gradients())));
    return new GoldenCase(name, json, others, isStrict);
  }

  private static JsonObject read(String name) {
    try (InputStream file = GoldenCase.class.getResourceAsStream("/golden/" + name);
        Reader reader = new InputStreamReader(file, StandardCharsets.UTF_8)) {
      return JsonParser.parseReader(reader).getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static double[][] gradients(JsonArray stream) {
    return stream.asList().stream()
        .map(gradient -> numbers(gradient.getAsJsonArray()))
        .toArray(double[][]::new);
  }

  private static double[] numbers(JsonArray array) {
    return array.asList().stream().mapToDouble(JsonElement::getAsDouble).toArray();
  }

  /** The class of PyTorch or of the case's reference. */
  String optimizer() {
    return json.get("optimizer").getAsString();
  }

  double hyper(String name, double byDefault) {
    JsonObject hyper = json.getAsJsonObject("hyper");
    return hyper.has(name) ? hyper.get(name).getAsDouble() : byDefault;
  }

  boolean option(String name) {
    JsonObject hyper = json.getAsJsonObject("hyper");
    return hyper.has(name) && hyper.get(name).getAsBoolean();
  }

  double beta(int index, double byDefault) {
    JsonObject hyper = json.getAsJsonObject("hyper");
    return hyper.has("betas") ? hyper.getAsJsonArray("betas").get(index).getAsDouble() : byDefault;
  }

  /** The learning rate: the case's own, or the reference's default where the file has it. */
  double learningRate() {
    if (around().isPresent()) {
      return around().get().learningRate();
    }
    JsonElement rate = json.getAsJsonObject("hyper").get("lr");
    if (rate == null && json.has("defaults")) {
      rate = json.getAsJsonObject("defaults").get("lr");
    }
    assertNotNull(rate, name + " has no learning rate: add \"lr\" to its \"hyper\"");
    return rate.getAsDouble();
  }

  /** Bound of {@code clip_grad_norm_} or {@code clip_grad_value_}, 0 for none. */
  double clip(String name) {
    return json.has(name) ? json.get(name).getAsDouble() : 0;
  }

  List<Snapshot> snapshots() {
    List<Snapshot> snapshots = new ArrayList<>();
    for (JsonElement element : json.getAsJsonArray("snapshots")) {
      JsonObject snapshot = element.getAsJsonObject();
      Map<String, Map<String, double[]>> values = new LinkedHashMap<>();
      Map<String, Map<String, Double>> single = new LinkedHashMap<>();
      for (String tensor : tensors.keySet()) {
        JsonElement params = snapshot.get("params");
        JsonObject state = snapshot.getAsJsonObject("state");
        if (params.isJsonObject()) {
          params = params.getAsJsonObject().get(tensor);
          state = state.has(tensor) ? state.getAsJsonObject(tensor) : new JsonObject();
        }
        values.put(tensor, new LinkedHashMap<>());
        single.put(tensor, new LinkedHashMap<>());
        values.get(tensor).put(PARAMS, numbers(params.getAsJsonArray()));
        if (snapshot.has(EVALUATED)) {
          JsonObject evaluated = snapshot.getAsJsonObject(EVALUATED);
          values.get(tensor).put(EVALUATED, numbers(evaluated.getAsJsonArray(tensor)));
        }
        if (snapshot.has("group")) { // one value for all tensors
          snapshot
              .getAsJsonObject("group")
              .asMap()
              .forEach((name, value) -> addNumber(single.get(tensor), name, value));
        }
        for (Map.Entry<String, JsonElement> slot : state.entrySet()) {
          if (slot.getValue().isJsonArray()) {
            values.get(tensor).put(slot.getKey(), numbers(slot.getValue().getAsJsonArray()));
          } else {
            single.get(tensor).put(slot.getKey(), slot.getValue().getAsDouble());
          }
        }
      }
      snapshots.add(new Snapshot(snapshot.get("step").getAsInt(), values, single));
    }
    return snapshots;
  }

  private static void addNumber(Map<String, Double> numbers, String name, JsonElement value) {
    if (value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber()) {
      numbers.put(name, value.getAsDouble());
    }
  }

  /**
   * The library's usual form of this case's rule: the one that the case names, or the class's, but
   * that PyTorch's SGD is two rules here.
   */
  Optional<UpdateRule> usual() {
    String reference = json.has("rule") ? json.get("rule").getAsString() : optimizer();
    if (reference.equals("SGD") && hyper("momentum", 0) != 0) {
      reference = "momentum";
    }
    String name = plain(reference).replace("cautious", "");
    return rulesByName().entrySet().stream()
        .filter(entry -> plain(entry.getKey()).equals(name))
        .map(Map.Entry::getValue)
        .findFirst();
  }

  private static String plain(String name) {
    return name.replaceAll("[-_]", "").toLowerCase(Locale.ROOT);
  }

  /** The case of the rule that this one's is around, if it is around one. */
  Optional<GoldenCase> around() {
    JsonObject hyper = json.getAsJsonObject("hyper");
    if (!hyper.has("base_optimizer")) {
      return Optional.empty();
    }
    JsonObject own = hyper.getAsJsonObject("base_optimizer").deepCopy();
    JsonObject inner = new JsonObject();
    inner.add("optimizer", own.remove("optimizer"));
    inner.add("hyper", own);
    return Optional.of(new GoldenCase(name, inner, tensors, isStrict));
  }

  /** Whether the library has a rule for this case, with all its options. */
  boolean hasRule() {
    if (around().isPresent()) {
      return around().get().hasRule();
    }
    return usual()
        .filter(rule -> settings().keySet().stream().allMatch(s -> RuleSettings.has(rule, s)))
        .isPresent();
  }

  /** The library's rules, and AdamW, which is a class of its own in PyTorch only. */
  private static Map<String, UpdateRule> rulesByName() {
    Map<String, UpdateRule> rules = new LinkedHashMap<>();
    Rules.all().forEach(rule -> rules.put(rule.name(), rule));
    rules.put("adamw", Adam.adamW());
    return rules;
  }

  /** The library's rule for this case; its components are named like the hyperparameters. */
  UpdateRule rule() {
    if (around().isPresent()) {
      return Lookahead.around(around().get().rule())
          .k((long) hyper("k", 5))
          .alpha(hyper("alpha", 0.5));
    }
    UpdateRule rule = RuleSettings.with(usual().orElseThrow(), settings());
    // The reference's epsilon is that of float64, in which the file was computed.
    return rule.isFactored() && RuleSettings.values(rule).get("eps1").equals(0.0)
        ? RuleSettings.with(rule, Map.of("eps1", Math.ulp(1.0)))
        : rule;
  }

  private Map<String, Object> settings() {
    return settings("hyper");
  }

  /** What the reference takes where a user says nothing, but the learning rate. */
  Optional<Map<String, Object>> defaults() {
    return json.has("defaults") ? Optional.of(settings("defaults")) : Optional.empty();
  }

  private Map<String, Object> settings(String key) {
    Map<String, Object> values = new LinkedHashMap<>();
    json.getAsJsonObject(key)
        .asMap()
        .forEach(
            (name, value) -> {
              String component = camelCase(name);
              if (value.isJsonArray()) {
                // betas [b1, b2] are beta1 and beta2, and eps [e1, e2] is eps1 and eps2
                String singular =
                    component.equals("eps") ? component : component.replaceAll("s$", "");
                for (int i = 0; i < value.getAsJsonArray().size(); i++) {
                  values.put(singular + (i + 1), setting(value.getAsJsonArray().get(i)));
                }
              } else if (name.equals("adjust_lr_fn")) {
                values.put("matchRmsAdamw", setting(value).equals("match_rms_adamw"));
              } else if (!name.equals("lr")) {
                values.put(component, setting(value));
              }
            });
    return values;
  }

  /** No limit is 0 in the rules here. */
  private static Object setting(JsonElement value) {
    if (!value.isJsonPrimitive()) {
      return value.isJsonNull() ? (Object) 0.0 : value;
    }
    JsonPrimitive primitive = value.getAsJsonPrimitive();
    if (primitive.isBoolean()) {
      return primitive.getAsBoolean();
    }
    return primitive.isNumber() ? (Object) primitive.getAsDouble() : primitive.getAsString();
  }

  private static String camelCase(String name) {
    return Pattern.compile("_([a-z])")
        .matcher(name)
        .replaceAll(match -> match.group(1).toUpperCase(Locale.ROOT));
  }

  @Override
  public String toString() {
    return name;
  }
}
