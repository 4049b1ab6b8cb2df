package io.warmstep.collective;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.ShardedOptimizer;
import io.warmstep.StateType;
import io.warmstep.StepFailedException;
import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CorruptCheckpointException;
import io.warmstep.checkpoint.ShardedCheckpoint;
import io.warmstep.rule.Adafactor;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.NAdam;
import io.warmstep.rule.NovoGrad;
import io.warmstep.rule.Prodigy;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Runs that any number of workers saves, and any number goes on with. */
class ShardedCheckpointTest {
  @TempDir Path folder;

  private static ShardedRun run() {
    return new ShardedRun(
        List.of(ElementType.FLOAT32, ElementType.BFLOAT16),
        builder ->
            builder
                .rule(Adam.adamW())
                .group(ParameterGroup.matching("p1").rule(NovoGrad.novoGrad()))
                .group(ParameterGroup.matching("p3").rule(NAdam.nAdam()))
                .lossScaler(LossScaler.dynamic(4, 2, 0.5, 2))
                .clipNorm(1));
  }

  private void save(ShardedRun run, int size, int steps) throws Exception {
    Workers.IN_PROCESS.run(
        size,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 0);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            run.steps(parameters, optimizer, 0, steps);
            optimizer.save(folder);
          }
          return null;
        });
  }

  private static List<String> goOn(ShardedRun run, Path from, int size, int steps, int to)
      throws Exception {
    return Workers.IN_PROCESS.run(
        size,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 77);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            assertEquals(steps, optimizer.restore(from).stepCount());
            run.steps(parameters, optimizer, steps, to);
            return ShardedRun.bits(parameters);
          }
        });
  }

  /** With masters, codes and averages, of which each worker saves its share. */
  private static ShardedRun narrow(UpdateRule rule, MasterWeights masters, StateType state) {
    return new ShardedRun(
        List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
        builder -> builder.rule(rule).masterWeights(masters).stateType(state, 0).average(0.9));
  }

  /** The same, rounded at random. */
  private static ShardedRun rounded(MasterWeights masters, StateType state) {
    return rounded(masters, state, 5);
  }

  private static ShardedRun rounded(MasterWeights masters, StateType state, long seed) {
    return new ShardedRun(
        List.of(ElementType.BFLOAT16, ElementType.BFLOAT16, ElementType.FLOAT32),
        builder ->
            builder
                .rule(Adam.adamW())
                .masterWeights(masters)
                .stateType(state, 0)
                .rounding(Rounding.STOCHASTIC, seed));
  }

  /** State of rows and columns, which lies whole with the matrix; an empty one has columns, too. */
  private static ShardedRun factored() {
    return new ShardedRun(
        List.of(ElementType.FLOAT32, ElementType.FLOAT64),
        builder ->
            builder
                .rule(Adafactor.adafactor())
                .group(ParameterGroup.matching("p1").rule(Adam.adam())));
  }

  /** State of groups. Of p2 and p6 together some workers have p2 alone, which is empty. */
  private static ShardedRun ofGroups() {
    return new ShardedRun(
        List.of(ElementType.FLOAT32),
        builder ->
            builder
                .rule(Prodigy.prodigy().d0(1e-3))
                .group(ParameterGroup.matching("p0"))
                .group(ParameterGroup.matching("p1").rule(Adam.adam()))
                .group(ParameterGroup.matching("p3"))
                .group(ParameterGroup.matching("p4").rule(Adam.adam()))
                .group(ParameterGroup.matching("p5").rule(Adam.adam())));
  }

  static List<ShardedRun> runs() {
    return List.of(
        run(),
        factored(),
        ofGroups(),
        rounded(MasterWeights.NONE, StateType.BFLOAT16),
        rounded(MasterWeights.BITS_24, StateType.INT8),
        narrow(Adam.adamW(), MasterWeights.EXACT, StateType.BFLOAT16),
        narrow(Adam.adamW(), MasterWeights.BITS_24, StateType.INT8),
        narrow(NovoGrad.novoGrad(), MasterWeights.BITS_24, StateType.INT8),
        narrow(Lamb.lamb(), MasterWeights.EXACT, StateType.INT8));
  }

  @ParameterizedTest
  @MethodSource("runs")
  void anyNumberOfWorkersGoesOn(ShardedRun run) throws Exception {
    String expected = run.alone(5);
    save(run, 3, 3);
    for (int size : new int[] {1, 2, 3, 4, 8}) {
      for (String bits : goOn(run, folder, size, 3, 5)) {
        assertEquals(expected, bits, size + " workers");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("runs")
  void aSingleFileIsReadAndMade(ShardedRun run) throws Exception {
    String expected = run.alone(5);
    Path whole = folder.resolve("whole.safetensors");
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        Optimizer optimizer = run.optimizer(parameters)) {
      run.steps(parameters, optimizer, 0, 3);
      optimizer.save(whole);
    }
    for (String bits : goOn(run, whole, 3, 3, 5)) {
      assertEquals(expected, bits);
    }
    save(run, 3, 3);
    Path merged = folder.resolve("merged.safetensors");
    ShardedCheckpoint.merge(folder, merged);
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 99);
        Optimizer optimizer = run.optimizer(parameters);
        CheckpointReader one = CheckpointReader.open(whole);
        CheckpointReader other = CheckpointReader.open(merged)) {
      optimizer.restore(merged);
      run.steps(parameters, optimizer, 3, 5);
      assertEquals(expected, ShardedRun.bits(parameters));
      assertEquals(
          one.tensors().stream().map(Object::toString).sorted().toList(),
          other.tensors().stream().map(Object::toString).sorted().toList());
    }
  }

  /** Workers whose optimizers were built otherwise draw the random numbers of the saved run. */
  @Test
  void theSeedAndTheParametersNumbersAreTaken() throws Exception {
    ShardedRun run = rounded(MasterWeights.NONE, StateType.BFLOAT16);
    String expected = run.alone(5);
    save(run, 3, 3);
    ShardedRun other = rounded(MasterWeights.NONE, StateType.BFLOAT16, 6).reversed();
    for (int size : new int[] {1, 2, 4}) {
      for (String bits : goOn(other, folder, size, 3, 5)) {
        assertEquals(expected, bits, size + " workers");
      }
    }
    Path merged = folder.resolve("merged.safetensors");
    ShardedCheckpoint.merge(folder, merged);
    for (String bits : goOn(other, merged, 2, 3, 5)) {
      assertEquals(expected, bits);
    }
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @Test
  void theFormerSharesAreRemovedOnceTheNewOnesAreListed() throws Exception {
    save(run(), 3, 1);
    assertEquals(4, files().size());
    save(run(), 2, 2);
    assertEquals(3, files().size());
    assertTrue(files().get(1).getFileName().toString().startsWith("step-2-"));
  }

  @Test
  void damageIsFoundByAll() throws Exception {
    save(run(), 2, 1);
    Path last = files().get(2);
    byte[] bytes = Files.readAllBytes(last);
    bytes[bytes.length - 3] = (byte) ~bytes[bytes.length - 3];
    Files.write(last, bytes);
    List<Exception> failures = failures(2);
    failures.forEach(failure -> assertInstanceOf(IOException.class, failure));
    assertTrue(failures.stream().anyMatch(CorruptCheckpointException.class::isInstance));
    Files.delete(last);
    failures(3).forEach(failure -> assertInstanceOf(NoSuchFileException.class, failure));
    Files.delete(files().get(0));
    for (Exception failure : failures(2)) {
      assertTrue(
          failure.getMessage().contains("has no checkpoint.safetensors"), failure.toString());
    }
  }

  private List<Exception> failures(int size) throws Exception {
    return Workers.IN_PROCESS.failures(
        size, Workers.LIMIT, collective -> goOnAlone(collective, run(), folder));
  }

  private static Object goOnAlone(Collective collective, ShardedRun run, Path from)
      throws IOException {
    try (Device device = Devices.cpu(1);
        Parameters parameters = run.parameters(device, 0);
        ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
      return optimizer.restore(from);
    }
  }

  @Test
  void whatOneCannotWriteFailsAtAllAndTheFormerStays() throws Exception {
    ShardedRun run = run();
    save(run, 2, 1);
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 0);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            run.steps(parameters, optimizer, 0, 2);
            Path to = collective.rank() == 1 ? file : folder;
            IOException e = assertThrows(IOException.class, () -> optimizer.save(to));
            if (collective.rank() == 0) {
              assertTrue(e.getMessage().startsWith("worker 1 could not save its share"));
            }
            run.steps(parameters, optimizer, 2, 3); // it goes on
          }
          return null;
        });
    for (String bits : goOn(run, folder, 1, 1, 3)) {
      assertEquals(run.alone(3), bits);
    }
  }

  /** On a small file system, which something else fills between two checkpoints. */
  @Test
  void aFullDiskFailsAtAllAndTheFormerStays() throws Exception {
    Path disk = Files.createDirectory(folder.resolve("disk"));
    String problem = mount(disk, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs");
    assumeTrue(problem == null, () -> "no file system can be mounted here: " + problem);
    try {
      ShardedRun run = run();
      Workers.IN_PROCESS.run(
          2,
          collective -> {
            try (Device device = Devices.cpu(1);
                Parameters parameters = run.parameters(device, 0);
                ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
              run.steps(parameters, optimizer, 0, 1);
              optimizer.save(disk);
              run.steps(parameters, optimizer, 1, 2);
              collective.barrier();
              if (collective.rank() == 0) {
                fill(disk.resolve("other"));
              }
              collective.barrier();
              IOException full = assertThrows(IOException.class, () -> optimizer.save(disk));
              assertTrue(full.getMessage().contains("No space left"), full.getMessage());
              run.steps(parameters, optimizer, 2, 3); // it goes on
            }
            return null;
          });
      for (String bits : goOn(run, disk, 1, 1, 3)) {
        assertEquals(run.alone(3), bits);
      }
    } finally {
      assertNull(mount(disk, "umount"));
    }
  }

  private static void fill(Path file) throws IOException {
    try (OutputStream out = Files.newOutputStream(file)) {
      while (true) {
        out.write(new byte[4096]);
      }
    } catch (IOException e) {
      if (!e.getMessage().contains("No space left")) {
        throw e;
      }
    }
  }

  /** What the command said if it failed, or null. */
  private static String mount(Path disk, String... command) throws Exception {
    List<String> words = new ArrayList<>(List.of(command));
    words.add(disk.toString());
    try {
      Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), UTF_8);
      return process.waitFor() == 0 ? null : said;
    } catch (IOException e) { // there is no such command
      return e.getMessage();
    }
  }

  @Test
  void anOtherModelChangesNothing() throws Exception {
    save(run(), 2, 1);
    ShardedRun other = new ShardedRun(List.of(ElementType.FLOAT32), b -> b.rule(Adam.adam()));
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = other.parameters(device, 0);
              ShardedOptimizer optimizer = other.optimizer(parameters, collective)) {
            assertThrows(CheckpointMismatchException.class, () -> optimizer.restore(folder));
            other.steps(parameters, optimizer, 0, 2);
            assertEquals(other.alone(2), ShardedRun.bits(parameters));
          }
          return null;
        });
  }

  /** The same file for all, so that nobody has changed anything. */
  @Test
  void whatNobodyCanReadChangesNothing() throws Exception {
    ShardedRun run = run();
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 0);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            run.steps(parameters, optimizer, 0, 1);
            assertThrows(NoSuchFileException.class, () -> optimizer.restore(folder.resolve("no")));
            run.steps(parameters, optimizer, 1, 2);
            assertEquals(run.alone(2), ShardedRun.bits(parameters));
          }
          return null;
        });
  }

  /** Since the shares of a part of the workers are of another run then. */
  @Test
  void noStepFollowsWhereOneCannotReadItsShare() throws Exception {
    save(run(), 2, 1);
    Path last = files().get(2);
    byte[] intact = Files.readAllBytes(last);
    byte[] damaged = intact.clone();
    damaged[damaged.length - 3] = (byte) ~damaged[damaged.length - 3];
    for (boolean restoresAgain : new boolean[] {false, true}) {
      Files.write(last, damaged);
      List<Exception> failures =
          Workers.IN_PROCESS.failures(
              2,
              Workers.LIMIT,
              collective -> {
                ShardedRun run = run();
                try (Device device = Devices.cpu(1);
                    Parameters parameters = run.parameters(device, 5);
                    ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
                  run.steps(parameters, optimizer, 0, 1); // as many as are in the file
                  IOException e = assertThrows(IOException.class, () -> optimizer.restore(folder));
                  assertEquals(
                      collective.rank() == 1, e instanceof CorruptCheckpointException, e::toString);
                  collective.barrier();
                  if (restoresAgain) {
                    if (collective.rank() == 1) {
                      Files.write(last, intact);
                    }
                    collective.barrier();
                    optimizer.restore(folder);
                  }
                  run.steps(parameters, optimizer, 1, 3);
                  assertEquals(run.alone(3), ShardedRun.bits(parameters));
                }
                return null;
              });
      if (restoresAgain) {
        assertEquals(Arrays.asList(null, null), failures);
      } else {
        assertInstanceOf(StepFailedException.class, failures.get(0));
        assertTrue(failures.get(0).getCause().getMessage().startsWith("worker 1 could not"));
        assertInstanceOf(CollectiveException.class, failures.get(1));
      }
    }
  }

  /** One that is missing is said to be missing, not to be of another length. */
  @Test
  void lengthsThatDifferAreNamed() throws Exception {
    Path file = folder.resolve("whole.safetensors");
    try (Device device = Devices.cpu(1);
        Parameters parameters =
            Parameters.on(device)
                .add("a", new float[10])
                .add("b", new float[0])
                .add("c", new float[5])
                .build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Adam.adam()).learningRate(1).build()) {
      optimizer.step();
      optimizer.save(file);
    }
    assertEquals(
        List.of(
            "parameter \"a\" has 10 elements in the file, 12 here",
            "parameter \"b\" has 0 elements in the file, 3 here"),
        differences(file, 12, 3, "c"));
    List<String> missing = differences(file, 10, 0, "d");
    assertTrue(missing.contains("the file has no state of d"), missing.toString());
    assertFalse(missing.toString().contains("elements in the file"), missing.toString());
  }

  private static List<String> differences(Path file, int a, int b, String third) throws Exception {
    List<List<String>> all =
        Workers.IN_PROCESS.run(
            2,
            collective -> {
              try (Device device = Devices.cpu(1);
                  Parameters parameters =
                      Parameters.on(device)
                          .add("a", new float[a])
                          .add("b", new float[b])
                          .add(third, new float[5])
                          .build();
                  ShardedOptimizer optimizer =
                      Optimizer.of(parameters)
                          .rule(Adam.adam())
                          .learningRate(1)
                          .sharded(collective)
                          .build()) {
                return assertThrows(
                        CheckpointMismatchException.class, () -> optimizer.restore(file))
                    .differences();
              }
            });
    assertEquals(all.get(0), all.get(1));
    return all.get(0);
  }

  /** Neither saved nor taken for those that come after what is restored. */
  @Test
  void microBatchesAreOfNoCheckpoint() throws Exception {
    ShardedRun run = run();
    Workers.IN_PROCESS.run(
        2,
        collective -> {
          try (Device device = Devices.cpu(1);
              Parameters parameters = run.parameters(device, 0);
              ShardedOptimizer optimizer = run.optimizer(parameters, collective)) {
            run.steps(parameters, optimizer, 0, 1);
            optimizer.save(folder);
            optimizer.accumulate(4L * collective.rank());
            if (collective.rank() == 1) { // before any other worker is asked
              String message =
                  assertThrows(IllegalStateException.class, () -> optimizer.save(folder))
                      .getMessage();
              assertTrue(message.startsWith("1 micro-batches were accumulated"), message);
              assertTrue(message.endsWith("save right after a step"), message);
            }
            optimizer.restore(folder);
            run.steps(parameters, optimizer, 1, 3);
            assertEquals(run.alone(3), ShardedRun.bits(parameters));
          }
          return null;
        });
  }
}
