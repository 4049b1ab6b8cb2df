package io.warmstep.cli;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.WarmstepException;
import io.warmstep.cli.bench.BorrowedModel;
import io.warmstep.cli.bench.StepTimer;
import io.warmstep.cli.bench.StepWork;
import io.warmstep.cli.rules.NamedRules;
import io.warmstep.cli.text.Failures;
import io.warmstep.rule.UpdateRule;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code warmstep measure}: times steps on request, so that another program can take turns with it.
 * Reads one JSON object per line and answers each with one; what cannot be done is answered with
 * {@code error}. Several models are told apart by the name that their requests have as {@code
 * model}; an open takes the place of the one before of that name.
 *
 * <pre>
 * {"open": {"rule": "adam", "dtype": "float32", "lengths": [25000000]}}   {"parameters": 25000000}
 * {"open": {"rule": "adamw", "dtype": "bfloat16", "lengths": [25000000], "master": "exact",
 *   "state": "int8", "rounding": "stochastic", "full": true}}   {"parameters": 25000000}
 * {"open": {"rule": "adamw", "dtype": "float32", "gradients": "bfloat16", "lengths": [25000000],
 *   "state": "int8"}}   {"parameters": 25000000}
 * {"steps": 20}   {"ms": 3.1, "host_us": 4.0}   of a step, on the device and until the call returns
 * {"close": true}   {}   closes all models
 * </pre>
 */
@Command(
    name = "measure",
    hidden = true,
    mixinStandardHelpOptions = true,
    description = {
      "Times steps on request: reads JSON from standard input, one request per line, and answers"
          + " each with a line. benchmarks/gpu/compare_torch.py uses it.",
      "The first line that it writes names the device."
    })
final class MeasureCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      required = true,
      description = "Where steps run, such as cuda or cuda:1; 'warmstep devices' lists them.")
  private String backend;

  /** Tests give another one. */
  private final Reader input;

  MeasureCommand() {
    this(new InputStreamReader(System.in, StandardCharsets.UTF_8));
  }

  MeasureCommand(Reader input) {
    this.input = input;
  }

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    BufferedReader lines = new BufferedReader(input);
    try (Device device = Devices.require(backend);
        Session session = new Session(device)) {
      answer(out, session.describe());
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (!line.isBlank()) {
          answer(out, session.answer(line));
        }
      }
    }
    return 0;
  }

  private static void answer(PrintWriter out, JsonObject object) {
    out.println(Json.text(object));
    out.flush();
  }

  /** One device and, between open and close, a model on it. */
  private static final class Session implements AutoCloseable {
    private final Device device;
    private final Map<String, BorrowedModel> models = new HashMap<>();

    Session(Device device) {
      this.device = device;
    }

    JsonObject describe() {
      JsonObject object = new JsonObject();
      object.addProperty("backend", device.name());
      object.addProperty("device", device.report().device());
      object.addProperty("driver", device.report().driver());
      return object;
    }

    JsonObject answer(String line) {
      try {
        JsonObject request = JsonParser.parseString(line).getAsJsonObject();
        if (request.has("open")) {
          return open(name(request), request.getAsJsonObject("open"));
        }
        if (request.has("steps")) {
          return steps(name(request), request.get("steps").getAsInt());
        }
        if (request.has("close")) {
          close();
          return new JsonObject();
        }
        throw new IllegalArgumentException("a request has open, steps or close");
      } catch (JsonParseException
          | IllegalStateException
          | IllegalArgumentException
          | UnsupportedOperationException
          | ClassCastException
          | WarmstepException e) {
        return error(e);
      }
    }

    private static String name(JsonObject request) {
      return string(request, "model", "");
    }

    private static JsonElement member(JsonObject request, String name) {
      JsonElement member = request.get(name);
      if (member == null) {
        throw new IllegalArgumentException("open has no " + name);
      }
      return member;
    }

    private static String string(JsonObject request, String name, String otherwise) {
      return request.has(name) ? request.get(name).getAsString() : otherwise;
    }

    private static JsonObject error(RuntimeException e) {
      JsonObject object = new JsonObject();
      object.addProperty("error", Failures.describe(e));
      return object;
    }

    private JsonObject open(String name, JsonObject request) {
      List<Long> lengths = new ArrayList<>();
      for (JsonElement length : member(request, "lengths").getAsJsonArray()) {
        lengths.add(length.getAsLong());
      }
      UpdateRule rule = NamedRules.named(member(request, "rule").getAsString());
      StoringOptions storing = new StoringOptions();
      storing.type = member(request, "dtype").getAsString();
      storing.gradients = string(request, "gradients", storing.type);
      storing.master = string(request, "master", storing.master);
      storing.state = string(request, "state", storing.state);
      storing.rounding = string(request, "rounding", storing.rounding);
      boolean isFull = request.has("full") && request.get("full").getAsBoolean();
      StepWork work = new StepWork(rule, storing.toPrecision(1), isFull, lengths);
      close(name);
      models.put(name, new BorrowedModel(device, work));
      JsonObject object = new JsonObject();
      object.addProperty("parameters", lengths.stream().mapToLong(Long::longValue).sum());
      return object;
    }

    private JsonObject steps(String name, int count) {
      BorrowedModel model = models.get(name);
      if (model == null) {
        throw new IllegalArgumentException("nothing is open: send open before steps");
      }
      if (count < 1) {
        throw new IllegalArgumentException("steps is " + count + ", must be 1 or more");
      }
      StepTimer.Time time = model.step(count);
      JsonObject object = new JsonObject();
      object.addProperty("ms", time.millis());
      object.addProperty("host_us", time.hostMicros());
      return object;
    }

    private void close(String name) {
      BorrowedModel model = models.remove(name);
      if (model != null) {
        model.close();
      }
    }

    @Override
    public void close() {
      List.copyOf(models.keySet()).forEach(this::close);
    }
  }
}
