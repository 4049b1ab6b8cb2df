package io.warmstep.golden;

import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.rule.Adam;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * One trajectory that PyTorch, or the case's reference, computed. Its JSON stands behind the
 * accessors.
 */
record GoldenCase(String name, JsonObject json, double[] initial, double[][] gradients) {
  /** Parameters and state after a step. */
  record Snapshot(int step, double[] params, Map<String, double[]> state) {}

  static List<GoldenCase> all() {
    JsonObject file = read();
    double[] initial = numbers(file.getAsJsonArray("initial"));
    List<GoldenCase> cases = new ArrayList<>();
    for (JsonElement element : file.getAsJsonArray("cases")) {
      JsonObject json = element.getAsJsonObject();
      double[][] gradients =
          file
              .getAsJsonObject("streams")
              .getAsJsonArray(json.get("stream").getAsString())
              .asList()
              .stream()
              .map(gradient -> numbers(gradient.getAsJsonArray()))
              .toArray(double[][]::new);
      cases.add(new GoldenCase(json.get("name").getAsString(), json, initial, gradients));
    }
    return cases;
  }

  private static JsonObject read() {
    try (InputStream file = GoldenCase.class.getResourceAsStream("/golden/optimizers.json");
        Reader reader = new InputStreamReader(file, StandardCharsets.UTF_8)) {
      return JsonParser.parseReader(reader).getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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

  /** The learning rate, which every case states: a reference may have any default. */
  double learningRate() {
    JsonElement rate = json.getAsJsonObject("hyper").get("lr");
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
      Map<String, double[]> state = new LinkedHashMap<>();
      for (Map.Entry<String, JsonElement> slot : snapshot.getAsJsonObject("state").entrySet()) {
        if (slot.getValue().isJsonArray()) {
          state.put(slot.getKey(), numbers(slot.getValue().getAsJsonArray()));
        }
      }
      snapshots.add(
          new Snapshot(
              snapshot.get("step").getAsInt(), numbers(snapshot.getAsJsonArray("params")), state));
    }
    return snapshots;
  }

  /**
   * The library's name of this case's rule: the one that the case states, or the class's in lower
   * case, but that PyTorch's SGD is two rules here.
   */
  String ruleName() {
    if (json.has("rule")) {
      return json.get("rule").getAsString();
    }
    return optimizer().equals("SGD") && hyper("momentum", 0) != 0
        ? "momentum"
        : optimizer().toLowerCase(Locale.ROOT);
  }

  /** Whether the library has a rule for this case. */
  boolean hasRule() {
    return rulesByName().containsKey(ruleName());
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
    Map<String, Object> values = new LinkedHashMap<>();
    json.getAsJsonObject("hyper")
        .asMap()
        .forEach(
            (name, value) -> {
              String component = camelCase(name);
              if (value.isJsonArray()) {
                // betas [b1, b2] are beta1 and beta2
                String singular = component.replaceAll("s$", "");
                double[] list = numbers(value.getAsJsonArray());
                for (int i = 0; i < list.length; i++) {
                  values.put(singular + (i + 1), list[i]);
                }
              } else if (!name.equals("lr")) {
                boolean isNumber = value.getAsJsonPrimitive().isNumber();
                values.put(
                    component, isNumber ? (Object) value.getAsDouble() : value.getAsBoolean());
              }
            });
    return RuleSettings.with(rulesByName().get(ruleName()), values);
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
