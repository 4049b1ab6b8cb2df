package io.warmstep.cli.verify;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonIOException;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.warmstep.cli.text.Failures;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads golden files of both formats. */
final class GoldenParser {
  /** What the tensor of a file is called that has one. */
  private static final String ONLY = "p";

  private final JsonObject root;
  private final boolean hasOne;
  private final Map<String, GoldenFile.Start> tensors = new LinkedHashMap<>();
  private final Map<String, Map<String, double[][]>> streams = new HashMap<>();

  private GoldenParser(JsonObject root) {
    this.root = root;
    this.hasOne = !root.has("tensors");
  }

  static GoldenFile read(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      throw new IllegalArgumentException(path + ": is a folder, must be a golden file");
    }
    try (Reader reader = Files.newBufferedReader(path)) {
      return new GoldenParser(object(JsonParser.parseReader(reader), "the file")).parse();
    } catch (JsonIOException e) {
      throw new IOException(path + ": cannot be read: " + Failures.describe(e.getCause()), e);
    } catch (JsonParseException e) {
      throw new IllegalArgumentException(path + ": not valid JSON" + position(e), e);
    } catch (MalformedException e) {
      throw new IllegalArgumentException(path + ": not a golden file: " + e.getMessage(), e);
    }
  }

  /** Where the reader stopped, which its message says among advice for programmers. */
  private static String position(JsonParseException e) {
    Matcher line = Pattern.compile(" at line \\d+ column \\d+").matcher(Failures.describe(e));
    return line.find() ? line.group() : "";
  }

  private GoldenFile parse() {
    if (hasOne) {
      double[] initial = numbers(member(root, "initial", "the file"), "initial");
      tensors.put(ONLY, new GoldenFile.Start(new long[] {initial.length}, initial));
    } else {
      object(root.get("tensors"), "tensors").entrySet().forEach(this::parseTensor);
    }
    object(member(root, "streams", "the file"), "streams").entrySet().forEach(this::parseStream);
    List<GoldenFile.Case> cases = new ArrayList<>();
    for (JsonElement element : array(member(root, "cases", "the file"), "cases")) {
      cases.add(parseCase(object(element, "a case")));
    }
    return new GoldenFile(tensors, cases);
  }

  private void parseTensor(Map.Entry<String, JsonElement> entry) {
    String where = "tensor " + entry.getKey();
    JsonObject json = object(entry.getValue(), where);
    double[] initial = numbers(member(json, "initial", where), where);
    long[] shape = whole(numbers(member(json, "shape", where), where), where);
    long product = 1;
    for (long length : shape) {
      product *= length;
    }
    if (shape.length == 0 || product != initial.length) {
      throw new MalformedException(
          where + " has " + initial.length + " values, which its shape does not have");
    }
    tensors.put(entry.getKey(), new GoldenFile.Start(shape, initial));
  }

  private void parseStream(Map.Entry<String, JsonElement> entry) {
    String where = "stream " + entry.getKey();
    Map<String, double[][]> stream = new HashMap<>();
    if (hasOne) {
      stream.put(ONLY, gradients(entry.getValue(), where, ONLY));
    } else {
      for (Map.Entry<String, JsonElement> one : object(entry.getValue(), where).entrySet()) {
        stream.put(one.getKey(), gradients(one.getValue(), where, one.getKey()));
      }
    }
    streams.put(entry.getKey(), stream);
  }

  private double[][] gradients(JsonElement json, String where, String tensor) {
    List<double[]> gradients = new ArrayList<>();
    for (JsonElement gradient : array(json, where)) {
      gradients.add(values(gradient, where, tensor));
    }
    return gradients.toArray(double[][]::new);
  }

  private GoldenFile.Case parseCase(JsonObject json) {
    String name = text(member(json, "name", "a case"), "a case's name");
    String where = "case " + name;
    Map<String, double[][]> stream = streams.get(text(member(json, "stream", where), where));
    if (stream == null) {
      throw new MalformedException(where + " names a stream that is not there");
    }
    List<String> names = new ArrayList<>();
    if (hasOne) {
      names.add(ONLY);
    } else {
      array(member(json, "tensors", where), where)
          .forEach(element -> names.add(text(element, where)));
    }
    int steps = Integer.MAX_VALUE;
    for (String tensor : names) {
      if (!tensors.containsKey(tensor) || !stream.containsKey(tensor)) {
        throw new MalformedException(where + " names a tensor that is not there: " + tensor);
      }
      steps = Math.min(steps, stream.get(tensor).length);
    }
    JsonObject hyper = object(member(json, "hyper", where), where);
    List<GoldenFile.Snapshot> snapshots = new ArrayList<>();
    for (JsonElement element : array(member(json, "snapshots", where), where)) {
      snapshots.add(parseSnapshot(object(element, where), names, steps, where));
    }
    if (snapshots.isEmpty()) {
      throw new MalformedException(where + " has no snapshots");
    }
    return new GoldenFile.Case(
        name,
        text(member(json, "optimizer", where), where),
        json.has("rule") ? text(json.get("rule"), where) : null,
        hyperparameters(hyper, where),
        learningRate(json, hyper, where),
        List.copyOf(names),
        stream,
        json.has("clip_grad_norm") ? number(json.get("clip_grad_norm"), where) : 0,
        json.has("clip_grad_value") ? number(json.get("clip_grad_value"), where) : 0,
        hasOne ? GoldenFile.RelativeTo.ELEMENT : GoldenFile.RelativeTo.TENSOR,
        List.copyOf(snapshots));
  }

  /** The case's own, or the reference's default where the file names that. */
  private static double learningRate(JsonObject json, JsonObject hyper, String where) {
    if (hyper.has("lr")) {
      return number(hyper.get("lr"), where);
    }
    JsonElement defaults = json.get("defaults");
    JsonElement rate = defaults == null ? null : object(defaults, where).get("lr");
    return rate == null || rate.isJsonNull() ? Double.NaN : number(rate, where);
  }

  private static Map<String, Object> hyperparameters(JsonObject json, String where) {
    Map<String, Object> hyper = new LinkedHashMap<>();
    json.entrySet()
        .forEach(entry -> hyper.put(entry.getKey(), hyperparameter(entry.getValue(), where)));
    return hyper;
  }

  private static Object hyperparameter(JsonElement element, String where) {
    if (element.isJsonNull()) {
      return null;
    }
    if (element.isJsonObject()) {
      return hyperparameters(element.getAsJsonObject(), where);
    }
    if (element.isJsonArray()) {
      List<Object> list = new ArrayList<>();
      element.getAsJsonArray().forEach(one -> list.add(hyperparameter(one, where)));
      return list;
    }
    JsonPrimitive primitive = element.getAsJsonPrimitive();
    if (primitive.isBoolean()) {
      return primitive.getAsBoolean();
    }
    return primitive.isString() ? primitive.getAsString() : (Object) number(element, where);
  }

  private GoldenFile.Snapshot parseSnapshot(
      JsonObject json, List<String> names, int steps, String where) {
    double step = number(member(json, "step", where), where);
    if (step != Math.rint(step) || step < 1 || step > steps) {
      throw new MalformedException(
          String.format(
              Locale.ROOT,
              "%s has a snapshot of step %s, but the stream ends at step %d",
              where,
              step,
              steps));
    }
    JsonElement params = member(json, "params", where);
    JsonObject all = object(member(json, "state", where), where);
    Map<String, Map<String, double[]>> state = new LinkedHashMap<>();
    Map<String, Map<String, Double>> numbers = new LinkedHashMap<>();
    for (String tensor : names) {
      Map<String, double[]> lists = new LinkedHashMap<>();
      Map<String, Double> single = new LinkedHashMap<>();
      if (json.has("group")) { // one value for all tensors
        object(json.get("group"), where).asMap().entrySet().stream()
            .filter(number -> number.getValue().isJsonPrimitive())
            .forEach(number -> single.put(number.getKey(), number(number.getValue(), where)));
      }
      JsonElement its = hasOne ? all : all.get(tensor);
      if (its != null) {
        object(its, where)
            .entrySet()
            .forEach(
                slot -> {
                  if (slot.getValue().isJsonArray()) {
                    lists.put(slot.getKey(), numbers(slot.getValue(), where));
                  } else if (!slot.getKey().equals("step")) {
                    single.put(slot.getKey(), number(slot.getValue(), where));
                  }
                });
      }
      state.put(tensor, lists);
      numbers.put(tensor, single);
    }
    return new GoldenFile.Snapshot(
        (int) step,
        hasOne ? Map.of(ONLY, values(params, where, ONLY)) : valuesOf(params, names, where),
        json.has("eval_params") ? valuesOf(json.get("eval_params"), names, where) : Map.of(),
        state,
        numbers);
  }

  private Map<String, double[]> valuesOf(JsonElement json, List<String> names, String where) {
    Map<String, double[]> values = new LinkedHashMap<>();
    for (String tensor : names) {
      values.put(tensor, values(member(object(json, where), tensor, where), where, tensor));
    }
    return values;
  }

  private static JsonElement member(JsonObject object, String name, String where) {
    JsonElement member = object.get(name);
    if (member == null) {
      throw new MalformedException(where + " has no \"" + name + "\"");
    }
    return member;
  }

  private static JsonObject object(JsonElement element, String where) {
    if (!element.isJsonObject()) {
      throw new MalformedException(where + ": expected an object");
    }
    return element.getAsJsonObject();
  }

  private static JsonArray array(JsonElement element, String where) {
    if (!element.isJsonArray()) {
      throw new MalformedException(where + ": expected a list");
    }
    return element.getAsJsonArray();
  }

  private static String text(JsonElement element, String where) {
    if (!(element instanceof JsonPrimitive primitive && primitive.isString())) {
      throw new MalformedException(where + ": expected a text");
    }
    return element.getAsString();
  }

  private static double number(JsonElement element, String where) {
    if (!(element instanceof JsonPrimitive primitive && primitive.isNumber())) {
      throw new MalformedException(where + ": expected a number");
    }
    return element.getAsDouble();
  }

  /** As many as the tensor has elements. */
  private double[] values(JsonElement element, String where, String tensor) {
    GoldenFile.Start start = tensors.get(tensor);
    if (start == null) {
      throw new MalformedException(where + " names a tensor that is not there: " + tensor);
    }
    double[] numbers = numbers(element, where);
    if (numbers.length != start.values().length) {
      throw new MalformedException(
          String.format(
              Locale.ROOT,
              "%s is %d values long, must be %d like %s",
              where,
              numbers.length,
              start.values().length,
              hasOne ? "\"initial\"" : "tensor " + tensor));
    }
    return numbers;
  }

  private static long[] whole(double[] numbers, String where) {
    long[] whole = new long[numbers.length];
    for (int i = 0; i < whole.length; i++) {
      whole[i] = (long) numbers[i];
      if (whole[i] != numbers[i] || whole[i] < 0) {
        throw new MalformedException(where + " has a dimension of length " + numbers[i]);
      }
    }
    return whole;
  }

  private static double[] numbers(JsonElement element, String where) {
    JsonArray array = array(element, where);
    double[] numbers = new double[array.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = number(array.get(i), where);
    }
    return numbers;
  }

  /** Says what does not fit; {@link #read} adds the file. */
  private static final class MalformedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MalformedException(String message) {
      super(message);
    }
  }
}
