package io.warmstep.golden;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
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
import java.util.Map;

/** One trajectory that PyTorch computed. Its JSON stands behind the accessors. */
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

  /** PyTorch's class. */
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

  /** The library's rule for this case. */
  UpdateRule rule() {
    double weightDecay = hyper("weight_decay", optimizer().equals("AdamW") ? 0.01 : 0);
    boolean maximize = option("maximize");
    return switch (optimizer()) {
      case "SGD" -> {
        double momentum = hyper("momentum", 0);
        yield momentum == 0
            ? new Sgd(weightDecay, maximize)
            : new Momentum(
                momentum, hyper("dampening", 0), option("nesterov"), weightDecay, maximize);
      }
      case "RMSprop" ->
          new RmsProp(
              hyper("alpha", 0.99),
              hyper("eps", 1e-8),
              option("centered"),
              hyper("momentum", 0),
              weightDecay,
              maximize);
      case "Adam", "AdamW" ->
          new Adam(
              beta(0, 0.9),
              beta(1, 0.999),
              hyper("eps", 1e-8),
              weightDecay,
              optimizer().equals("AdamW"),
              option("amsgrad"),
              maximize);
      default -> throw new AssertionError("no rule for " + optimizer());
    };
  }

  @Override
  public String toString() {
    return name;
  }
}
