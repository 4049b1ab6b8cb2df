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
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads golden files of both formats. */
final class GoldenParser {
  /** What the tensor of a file is called that has one. */
  private static final String ONLY = "p";

  /** As Python writes them, which JSON does not know: read as texts. */
  private static final Map<String, Double> NOT_FINITE =
      Map.of(
          "NaN", Double.NaN,
          "Infinity", Double.POSITIVE_INFINITY,
          "-Infinity", Double.NEGATIVE_INFINITY);

  private final JsonObject root;
  private final boolean hasOne;
  private final Map<List<String>, GoldenFile.Start> starts = new HashMap<>();

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

  /** Looks at what all cases need; the rest is read with the cases that use it. */
  private GoldenFile parse() {
    if (!hasOne) {
      object(root.get("tensors"), "tensors");
    } else if (root.has("initial")) {
      numbers(root.get("initial"), "initial");
    } else {
      throw new MalformedException("the file has neither \"tensors\" nor \"initial\"");
    }
    object(member(root, "streams", "the file"), "streams");
    List<GoldenFile.Case> cases = new ArrayList<>();
    for (JsonElement element : array(member(root, "cases", "the file"), "cases")) {
      cases.add(new ParsedCase(element, cases.size() + 1));
    }
    return new GoldenFile(List.copyOf(cases));
  }

  /** A case whose members are looked at when they are asked for. */
  private final class ParsedCase implements GoldenFile.Case {
    private final JsonElement json;
    private final String name;

    ParsedCase(JsonElement json, int number) {
      this.json = json;
      this.name =
          json instanceof JsonObject object
                  && object.get("name") instanceof JsonPrimitive text
                  && text.isString()
              ? text.getAsString()
              : "case " + number;
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public GoldenFile.Reference reference() {
      JsonObject its = object(json, "the case");
      return new GoldenFile.Reference(
          text(member(its, "optimizer", "the case"), "optimizer"),
          isPresent(its, "rule") ? text(its.get("rule"), "rule") : null,
          hyperparameters(object(member(its, "hyper", "the case"), "hyper")),
          isPresent(its, "defaults")
              ? hyperparameters(object(its.get("defaults"), "defaults"))
              : Map.of());
    }

    @Override
    public GoldenFile.Trajectory trajectory() {
      return parseTrajectory(object(json, "the case"));
    }
  }

  private GoldenFile.Trajectory parseTrajectory(JsonObject json) {
    String stream = text(member(json, "stream", "the case"), "stream");
    Map<String, GoldenFile.Start> tensors = new LinkedHashMap<>();
    if (hasOne) {
      tensors.put(ONLY, start(ONLY, stream));
    } else {
      for (JsonElement element : array(member(json, "tensors", "the case"), "tensors")) {
        String name = text(element, "tensors");
        if (tensors.put(name, start(name, stream)) != null) {
          throw new MalformedException("the case names tensor " + name + " twice");
        }
      }
    }
    List<GoldenFile.Snapshot> snapshots = new ArrayList<>();
    for (JsonElement element : array(member(json, "snapshots", "the case"), "snapshots")) {
      snapshots.add(parseSnapshot(object(element, "a snapshot"), tensors));
    }
    if (snapshots.isEmpty()) {
      throw new MalformedException("the case has no snapshots");
    }
    snapshots.sort(Comparator.comparingInt(GoldenFile.Snapshot::step));
    return new GoldenFile.Trajectory(
        tensors,
        limit(json, "clip_grad_norm"),
        limit(json, "clip_grad_value"),
        hasOne ? GoldenFile.RelativeTo.ELEMENT : GoldenFile.RelativeTo.TENSOR,
        List.copyOf(snapshots));
  }

  private GoldenFile.Start start(String tensor, String stream) {
    return starts.computeIfAbsent(List.of(tensor, stream), key -> parseStart(tensor, stream));
  }

  private GoldenFile.Start parseStart(String tensor, String stream) {
    double[] initial;
    long[] shape;
    if (hasOne) {
      initial = numbers(root.get("initial"), "initial");
      shape = new long[] {initial.length};
    } else {
      String where = "tensor " + tensor;
      JsonElement its = root.getAsJsonObject("tensors").get(tensor);
      if (its == null) {
        throw new MalformedException("the case names a tensor that is not there: " + tensor);
      }
      JsonObject json = object(its, where);
      initial = numbers(member(json, "initial", where), where);
      shape = whole(numbers(member(json, "shape", where), where), where);
      long product = 1;
      for (long length : shape) {
        product *= length;
      }
      if (product != initial.length) {
        throw new MalformedException(
            where + " has " + initial.length + " values, which its shape does not have");
      }
    }
    double[][] gradients = gradients(tensor, stream, initial.length);
    return new GoldenFile.Start(shape.length == 0 ? new long[] {1} : shape, initial, gradients);
  }

  private double[][] gradients(String tensor, String stream, int length) {
    String where = "stream " + stream;
    JsonElement json = root.getAsJsonObject("streams").get(stream);
    if (json == null) {
      throw new MalformedException("the case names a stream that is not there: " + stream);
    }
    JsonArray steps = array(hasOne ? json : member(object(json, where), tensor, where), where);
    double[][] gradients = new double[steps.size()][];
    for (int i = 0; i < gradients.length; i++) {
      gradients[i] = values(steps.get(i), where, tensor, length);
    }
    return gradients;
  }

  /** The bound of clipping, which null says there is none of. */
  private static OptionalDouble limit(JsonObject json, String name) {
    JsonElement limit = json.get(name);
    return limit == null || limit.isJsonNull()
        ? OptionalDouble.empty()
        : OptionalDouble.of(number(limit, name));
  }

  private static Map<String, Object> hyperparameters(JsonObject json) {
    Map<String, Object> hyper = new LinkedHashMap<>();
    json.entrySet().forEach(entry -> hyper.put(entry.getKey(), hyperparameter(entry.getValue())));
    return hyper;
  }

  private static Object hyperparameter(JsonElement element) {
    if (element.isJsonNull()) {
      return null;
    }
    if (element.isJsonObject()) {
      return hyperparameters(element.getAsJsonObject());
    }
    if (element.isJsonArray()) {
      List<Object> list = new ArrayList<>();
      element.getAsJsonArray().forEach(one -> list.add(hyperparameter(one)));
      return list;
    }
    if (isNumber(element)) {
      return number(element, "hyper");
    }
    JsonPrimitive primitive = element.getAsJsonPrimitive();
    return primitive.isBoolean() ? (Object) primitive.getAsBoolean() : primitive.getAsString();
  }

  private GoldenFile.Snapshot parseSnapshot(
      JsonObject json, Map<String, GoldenFile.Start> tensors) {
    double step = number(member(json, "step", "a snapshot"), "a snapshot's step");
    int steps =
        tensors.values().stream().mapToInt(start -> start.gradients().length).min().orElse(0);
    if (step != Math.rint(step) || step < 1 || step > steps) {
      throw new MalformedException(
          String.format(
              Locale.ROOT,
              "a snapshot's step is %s, must be a whole number from 1 to %d, where the stream ends",
              number(step),
              steps));
    }
    String where = "step " + number(step);
    Set<String> other = new LinkedHashSet<>();
    Map<String, double[]> group = new LinkedHashMap<>();
    if (isPresent(json, "group")) {
      object(json.get("group"), where + ", group")
          .entrySet()
          .forEach(
              entry -> {
                if (isNumber(entry.getValue())) {
                  group.put(entry.getKey(), new double[] {number(entry.getValue(), where)});
                } else if (!entry.getValue().isJsonNull()) {
                  other.add(entry.getKey());
                }
              });
    }
    return new GoldenFile.Snapshot(
        (int) step,
        valuesOf(json, "params", tensors, where),
        isPresent(json, "eval_params") ? valuesOf(json, "eval_params", tensors, where) : Map.of(),
        parseState(json, tensors, where, other),
        group,
        other);
  }

  private Map<String, Map<String, double[]>> parseState(
      JsonObject json, Map<String, GoldenFile.Start> tensors, String where, Set<String> other) {
    JsonObject all =
        isPresent(json, "state") ? object(json.get("state"), where + ", state") : new JsonObject();
    Map<String, Map<String, double[]>> state = new LinkedHashMap<>();
    for (String tensor : tensors.keySet()) {
      Map<String, double[]> slots = new LinkedHashMap<>();
      if (hasOne || isPresent(all, tensor)) {
        object(hasOne ? all : all.get(tensor), where + ", state of " + tensor)
            .entrySet()
            .forEach(slot -> parseSlot(slot, where + ", " + tensor + " ", slots, other));
      }
      state.put(tensor, slots);
    }
    return state;
  }

  /** A reference's null is state that it does not have yet. */
  private static void parseSlot(
      Map.Entry<String, JsonElement> slot,
      String where,
      Map<String, double[]> slots,
      Set<String> other) {
    JsonElement value = slot.getValue();
    if (isNumber(value)) {
      slots.put(slot.getKey(), new double[] {number(value, where)});
    } else if (value.isJsonPrimitive()) {
      other.add(slot.getKey());
    } else if (!value.isJsonNull()) {
      slots.put(slot.getKey(), numbers(value, where + slot.getKey()));
    }
  }

  private Map<String, double[]> valuesOf(
      JsonObject json, String name, Map<String, GoldenFile.Start> tensors, String where) {
    JsonElement all = member(json, name, where);
    String here = where + ", " + name;
    Map<String, double[]> values = new LinkedHashMap<>();
    tensors.forEach(
        (tensor, start) -> {
          JsonElement its =
              hasOne && all.isJsonArray() ? all : member(object(all, here), tensor, here);
          values.put(tensor, values(its, here, tensor, start.values().length));
        });
    return values;
  }

  private static boolean isPresent(JsonObject object, String name) {
    return object.has(name) && !object.get(name).isJsonNull();
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

  private static boolean isNumber(JsonElement element) {
    return element instanceof JsonPrimitive primitive
        && (primitive.isNumber()
            || (primitive.isString() && NOT_FINITE.containsKey(primitive.getAsString())));
  }

  private static double number(JsonElement element, String where) {
    if (!isNumber(element)) {
      throw new MalformedException(where + ": expected a number");
    }
    Double notFinite = NOT_FINITE.get(element.getAsString());
    return notFinite == null ? element.getAsDouble() : notFinite;
  }

  /** Without a fraction that it does not have. */
  private static String number(double number) {
    return number == (long) number ? Long.toString((long) number) : Double.toString(number);
  }

  /** As many as the tensor has elements. */
  private double[] values(JsonElement element, String where, String tensor, int length) {
    double[] numbers = numbers(element, where);
    if (numbers.length != length) {
      throw new MalformedException(
          String.format(
              Locale.ROOT,
              "%s is %d values long, must be %d like %s",
              where,
              numbers.length,
              length,
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
  private static final class MalformedException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    MalformedException(String message) {
      super(message);
    }
  }
}
