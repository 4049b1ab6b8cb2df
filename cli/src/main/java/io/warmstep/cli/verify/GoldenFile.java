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

/**
 * A file of optimizer trajectories: starting parameters, gradient sequences, and for each case the
 * parameters and the state that the reference had after some of the steps.
 *
 * @param initial the starting parameters, one tensor
 * @param cases the trajectories
 */
public record GoldenFile(double[] initial, List<Case> cases) {

  /**
   * One trajectory.
   *
   * @param name such as {@code adam/amsgrad}
   * @param optimizer the reference's class, such as PyTorch's {@code Adam}
   * @param rule the rule that computes the same, or null if it has the class's name
   * @param hyper the reference's hyperparameters where they differ from its defaults: numbers,
   *     booleans, and lists of numbers
   * @param gradients the gradient of each step
   * @param clipNorm the norm that gradients are clipped to before each step, or 0
   * @param clipValue the value that they are clipped to, or 0
   * @param snapshots what the reference had, in the order of the steps
   */
  public record Case(
      String name,
      String optimizer,
      String rule,
      Map<String, Object> hyper,
      double[][] gradients,
      double clipNorm,
      double clipValue,
      List<Snapshot> snapshots) {}

  /**
   * What the reference had after a step.
   *
   * @param step the step, from 1
   * @param parameters the parameters
   * @param state the optimizer state by the reference's names; scalars are left out
   */
  public record Snapshot(int step, double[] parameters, Map<String, double[]> state) {}

  /**
   * Reads a file.
   *
   * @param path the file
   * @return its contents
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is not a golden file; the message says where
   */
  public static GoldenFile read(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      throw new IllegalArgumentException(path + ": is a folder, must be a golden file");
    }
    try (Reader reader = Files.newBufferedReader(path)) {
      return parse(object(JsonParser.parseReader(reader), "the file"));
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

  private static GoldenFile parse(JsonObject root) {
    double[] initial = numbers(member(root, "initial", "the file"), "initial");
    Map<String, double[][]> streams = new HashMap<>();
    JsonObject streamObjects = object(member(root, "streams", "the file"), "streams");
    for (Map.Entry<String, JsonElement> stream : streamObjects.entrySet()) {
      String where = "stream " + stream.getKey();
      List<double[]> gradients = new ArrayList<>();
      for (JsonElement gradient : array(stream.getValue(), where)) {
        gradients.add(numbers(gradient, where, initial.length));
      }
      streams.put(stream.getKey(), gradients.toArray(double[][]::new));
    }
    List<Case> cases = new ArrayList<>();
    for (JsonElement element : array(member(root, "cases", "the file"), "cases")) {
      cases.add(parseCase(object(element, "a case"), streams, initial.length));
    }
    return new GoldenFile(initial, cases);
  }

  private static Case parseCase(JsonObject json, Map<String, double[][]> streams, int length) {
    String name = text(member(json, "name", "a case"), "a case's name");
    String where = "case " + name;
    double[][] gradients = streams.get(text(member(json, "stream", where), where));
    if (gradients == null) {
      throw new MalformedException(where + " names a stream that is not there");
    }
    Map<String, Object> hyper = new LinkedHashMap<>();
    object(member(json, "hyper", where), where)
        .entrySet()
        .forEach(entry -> hyper.put(entry.getKey(), hyperparameter(entry.getValue(), where)));
    List<Snapshot> snapshots = new ArrayList<>();
    for (JsonElement element : array(member(json, "snapshots", where), where)) {
      JsonObject snapshot = object(element, where);
      double step = number(member(snapshot, "step", where), where);
      if (step != Math.rint(step) || step < 1 || step > gradients.length) {
        throw new MalformedException(
            String.format(
                Locale.ROOT,
                "%s has a snapshot of step %s, but the stream ends at step %d",
                where,
                step,
                gradients.length));
      }
      Map<String, double[]> state = new LinkedHashMap<>();
      object(member(snapshot, "state", where), where)
          .entrySet()
          .forEach(
              entry -> {
                if (entry.getValue().isJsonArray()) {
                  state.put(entry.getKey(), numbers(entry.getValue(), where, length));
                }
              });
      snapshots.add(
          new Snapshot(
              (int) step, numbers(member(snapshot, "params", where), where, length), state));
    }
    if (snapshots.isEmpty()) {
      throw new MalformedException(where + " has no snapshots");
    }
    return new Case(
        name,
        text(member(json, "optimizer", where), where),
        json.has("rule") ? text(json.get("rule"), where) : null,
        hyper,
        gradients,
        json.has("clip_grad_norm") ? number(json.get("clip_grad_norm"), where) : 0,
        json.has("clip_grad_value") ? number(json.get("clip_grad_value"), where) : 0,
        List.copyOf(snapshots));
  }

  private static Object hyperparameter(JsonElement element, String where) {
    if (element.isJsonArray()) {
      return numbers(element, where);
    }
    if (element instanceof JsonPrimitive primitive && primitive.isBoolean()) {
      return primitive.getAsBoolean();
    }
    return number(element, where);
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

  private static double[] numbers(JsonElement element, String where, int length) {
    double[] numbers = numbers(element, where);
    if (numbers.length != length) {
      throw new MalformedException(
          String.format(
              Locale.ROOT,
              "%s is %d values long, must be %d like \"initial\"",
              where,
              numbers.length,
              length));
    }
    return numbers;
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
