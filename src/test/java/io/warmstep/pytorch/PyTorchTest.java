package io.warmstep.pytorch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.checkpoint.TensorSource;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * State that goes from a real PyTorch to Java and back by the module of docs/CHECKPOINTS.md, after
 * which both go on alike. Needs python3 with torch: bin/test has a part for it.
 */
@Tag("pytorch")
class PyTorchTest {
  private static final Path RESOURCES = Path.of("src/test/resources/pytorch").toAbsolutePath();
  private static final double RATE = 0.01;

  /** Of {@code Sequential(Linear(5, 4), Linear(4, 3))}. */
  private static final Map<String, Integer> LENGTHS = new LinkedHashMap<>();

  static {
    LENGTHS.put("0.weight", 20);
    LENGTHS.put("0.bias", 4);
    LENGTHS.put("1.weight", 12);
    LENGTHS.put("1.bias", 3);
  }

  /**
   * An optimizer of both.
   *
   * @param python how PyTorch makes it
   * @param rule the same in Java
   * @param start another of the same state, which must take its hyperparameters from the file
   */
  private record Pair(String python, UpdateRule rule, UpdateRule start) {}

  private static final Map<String, Pair> PAIRS = new LinkedHashMap<>();

  static {
    PAIRS.put(
        "sgd",
        new Pair("SGD(P, lr=0.01, weight_decay=0.1)", Sgd.sgd().weightDecay(0.1), Sgd.sgd()));
    PAIRS.put(
        "momentum",
        new Pair(
            "SGD(P, lr=0.01, momentum=0.8, dampening=0.2, maximize=True)",
            Momentum.heavyBall(0.8).dampening(0.2).maximize(true),
            Momentum.heavyBall(0.9)));
    PAIRS.put(
        "nesterov",
        new Pair(
            "SGD(P, lr=0.01, momentum=0.7, nesterov=True)",
            Momentum.nesterov(0.7),
            Momentum.heavyBall(0.9)));
    PAIRS.put(
        "rmsprop",
        new Pair(
            "RMSprop(P, lr=0.01, alpha=0.9, weight_decay=0.01)",
            RmsProp.rmsProp().alpha(0.9).weightDecay(0.01),
            RmsProp.rmsProp()));
    PAIRS.put(
        "rmsprop-centered",
        new Pair(
            "RMSprop(P, lr=0.01, centered=True, momentum=0.6, eps=1e-4)",
            RmsProp.rmsProp().centered(true).momentum(0.6).eps(1e-4),
            RmsProp.rmsProp().centered(true).momentum(0.1)));
    PAIRS.put(
        "adam",
        new Pair(
            "Adam(P, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)",
            Adam.adam().betas(0.8, 0.95).eps(1e-6).weightDecay(0.1),
            Adam.adam()));
    PAIRS.put(
        "adamw-amsgrad",
        new Pair(
            "AdamW(P, lr=0.01, weight_decay=0.3, amsgrad=True)",
            Adam.adamW().weightDecay(0.3).amsgrad(true),
            Adam.adamW().amsgrad(true)));
  }

  @TempDir Path folder;
  private final Device device = Devices.cpu(1);
  private final Map<String, double[]> gradients = new LinkedHashMap<>();

  @BeforeEach
  void write() throws IOException {
    SplittableRandom random = new SplittableRandom(7);
    CheckpointWriter writer = new CheckpointWriter();
    for (int step = 0; step <= 30; step++) { // those of step 0 are the initial values
      for (Map.Entry<String, Integer> parameter : LENGTHS.entrySet()) {
        double[] values = random.doubles(parameter.getValue(), -1, 1).map(x -> x * x * x).toArray();
        String name = step + "." + parameter.getKey();
        gradients.put(name, values);
        writer.tensor(
            name, ElementFormat.F64, List.of((long) values.length), TensorSource.of(values));
      }
    }
    writer.write(folder.resolve("gradients"));
    StringBuilder optimizers = new StringBuilder();
    PAIRS.forEach((name, pair) -> optimizers.append(name + "\toptim." + pair.python + "\n"));
    Files.writeString(folder.resolve("optimizers"), optimizers);
    Files.writeString(folder.resolve("checkpoint.py"), documentedModule());
  }

  @AfterEach
  void close() {
    device.close();
  }

  private static String documentedModule() throws IOException {
    Matcher block =
        Pattern.compile("```python\n(.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("docs/CHECKPOINTS.md")));
    assertTrue(block.find());
    assertTrue(block.group(1).lines().count() <= 15);
    return block.group(1);
  }

  private void python(String task) throws Exception {
    Process process =
        new ProcessBuilder(
                System.getProperty("warmstep.python", "python3"),
                "-B",
                RESOURCES.resolve("exchange.py").toString(),
                task,
                folder.toString(),
                RESOURCES.toString())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
  }

  /** Calls what a test does with a new optimizer. */
  private interface Use {
    void with(Parameters parameters, Optimizer optimizer, LossScaler scaler) throws IOException;
  }

  private void optimizer(UpdateRule rule, Use use) throws IOException {
    LossScaler scaler = LossScaler.dynamic(64, 2, 0.5, 7);
    ParametersBuilder builder = Parameters.on(device);
    LENGTHS.forEach((name, length) -> builder.add(name, gradients.get("0." + name)));
    try (Parameters parameters = builder.build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(rule).learningRate(RATE).lossScaler(scaler).build()) {
      use.with(parameters, optimizer, scaler);
    }
  }

  /** The gradients are scaled, as those of a scaled loss; powers of two change no bit. */
  private void steps(
      Parameters parameters, Optimizer optimizer, LossScaler scaler, int from, int to) {
    for (int step = from; step <= to; step++) {
      for (Parameter parameter : parameters) {
        double[] scaled = gradients.get(step + "." + parameter.name()).clone();
        for (int i = 0; i < scaled.length; i++) {
          scaled[i] *= scaler.scale();
        }
        parameter.gradients().copyFrom(scaled);
      }
      optimizer.step();
    }
  }

  private void compare(Path ours, Path theirs, String what) throws IOException {
    try (CheckpointReader expected = CheckpointReader.open(theirs);
        CheckpointReader actual = CheckpointReader.open(ours)) {
      int compared = 0;
      for (TensorEntry entry : expected.tensors()) {
        boolean isState = entry.name().startsWith("state.") && !entry.name().endsWith(".step");
        if (!isState && !LENGTHS.containsKey(entry.name())) {
          continue;
        }
        double[] right = doubles(expected, entry);
        double[] found = doubles(actual, actual.tensor(entry.name()).orElseThrow());
        assertEquals(right.length, found.length);
        for (int i = 0; i < right.length; i++) {
          double error = Math.abs(right[i] - found[i]) / Math.max(Math.abs(right[i]), 1e-300);
          assertTrue(
              right[i] == found[i] || error <= 1e-12,
              what + ": " + entry.name() + "[" + i + "] " + found[i] + " for " + right[i]);
        }
        compared++;
      }
      assertTrue(compared >= LENGTHS.size(), what + ": " + compared);
    }
  }

  private static double[] doubles(CheckpointReader reader, TensorEntry entry) throws IOException {
    double[] values = new double[(int) entry.count()];
    reader.read(entry, 0, values, 0, values.length);
    return values;
  }

  @Test
  void stateFromPyTorchGoesOnInJava() throws Exception {
    python("begin");
    for (Map.Entry<String, Pair> pair : PAIRS.entrySet()) {
      String name = pair.getKey();
      Path result = folder.resolve(name + ".java");
      optimizer(
          pair.getValue().start,
          (parameters, optimizer, scaler) -> {
            RestoreReport report = optimizer.restore(folder.resolve(name + ".begun"));
            assertEquals(10, report.stepCount(), report.toString());
            assertTrue(report.parametersRestored());
            assertEquals(512, scaler.scale());
            steps(parameters, optimizer, scaler, 11, 30);
            optimizer.save(result);
          });
      compare(result, folder.resolve(name + ".ended"), name);
    }
  }

  @Test
  void stateFromJavaGoesOnInPyTorch() throws Exception {
    for (Map.Entry<String, Pair> pair : PAIRS.entrySet()) {
      String name = pair.getKey();
      optimizer(
          pair.getValue().rule,
          (parameters, optimizer, scaler) -> {
            steps(parameters, optimizer, scaler, 1, 10);
            optimizer.save(folder.resolve(name + ".saved"));
            steps(parameters, optimizer, scaler, 11, 30);
            optimizer.save(folder.resolve(name + ".java"));
          });
    }
    python("go_on");
    for (String name : PAIRS.keySet()) {
      compare(folder.resolve(name + ".java"), folder.resolve(name + ".continued"), name);
      optimizer(
          PAIRS.get(name).start,
          (parameters, optimizer, scaler) -> {
            optimizer.restore(folder.resolve(name + ".continued"));
            assertEquals(new LossScaler.State(128, 3), scaler.state());
          });
    }
  }
}
