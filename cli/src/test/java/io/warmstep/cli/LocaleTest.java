package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.testkit.RuleMatrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The same text and the same files whatever the locale: digits, decimal marks, letter case. */
class LocaleTest {
  private static final Locale USUAL = Locale.getDefault();

  private static final String NUMBER = "[0-9]+(,[0-9]{3})*(\\.[0-9]+)?";

  private static final List<String> COMMANDS =
      List.of(
          "--help",
          "train --help",
          "devices --help",
          "verify --help",
          "bench --help",
          "devices",
          "devices --json",
          "train --epochs 12 --schedule one-cycle --data breast-cancer --plot %s/run.svg",
          "train --epochs 3 --batch 1 --seed 1000000 --data breast-cancer --plot %s/run.png",
          "train --epochs 1 --rule momentum --lr 0.00001 --warmup linear:30",
          "train --epochs 1 --json",
          "train --epochs 1 --warmup 99999",
          "train --rule sgd --lr 1e30 --epochs 1",
          "train --epochs 1000000000000",
          "train --hidden 2000000000",
          "train --betas 0.9",
          "train --data %s/three.csv",
          "verify --backend cpu --golden src/test/resources/golden/optimizers.json",
          "verify --backend cpu --golden src/test/resources/golden/optimizers.json --json",
          "bench --size 1500 --threads 1 --rounds 2",
          "bench --size 0");

  @TempDir static Path folder;

  /** What is right, by the command. */
  private static Map<String, String> expected;

  @BeforeAll
  static void runInTheRootLocale() throws IOException {
    Files.writeString(folder.resolve("three.csv"), "1,2,0\n3,4\n");
    expected = everything(Locale.ROOT);
  }

  @AfterEach
  void restore() {
    Locale.setDefault(USUAL);
  }

  /** A decimal comma, other digits and other letter case; more of the same if all are asked for. */
  static List<String> locales() {
    return RuleMatrix.IS_FULL
        ? List.of("de-DE", "ar-EG", "fa-IR", "hi-IN-u-nu-deva", "th-TH-u-nu-thai", "tr-TR")
        : List.of("de-DE", "hi-IN-u-nu-deva", "tr-TR");
  }

  @ParameterizedTest
  @MethodSource("locales")
  void commandsWriteTheSame(String tag) throws IOException {
    Map<String, String> actual = everything(Locale.forLanguageTag(tag));
    expected.forEach((command, text) -> assertEquals(text, actual.get(command), command));
  }

  /** The exit code, the text and the plot of each command. */
  private static Map<String, String> everything(Locale locale) throws IOException {
    Locale.setDefault(locale);
    Map<String, String> results = new TreeMap<>();
    for (String command : COMMANDS) {
      CommandRun run = CommandRun.run(command.replace("%s", folder.toString()).split(" "));
      results.put(command, run.exitCode() + "\n" + untimed(run.out()) + "\n" + run.err());
    }
    for (String plot : List.of("run.svg", "run.png")) {
      byte[] bytes = Files.readAllBytes(folder.resolve(plot));
      results.put(plot, HexFormat.of().formatHex(bytes));
    }
    return results;
  }

  /** With # for the numbers of lines that measure time: they differ from run to run. */
  private static String untimed(String text) {
    return text.lines()
        .map(line -> line.replaceAll("\"(seconds|fastest_ms)\":.*", "#"))
        .map(
            line ->
                line.matches(
                        ".* steps per second|  (a step|same, in a plain loop|memory traffic).*")
                    ? line.replaceAll(" +(\\(?)" + NUMBER + "( [mun]s)?", " $1#")
                    : line)
        .collect(Collectors.joining("\n"));
  }

  /** The library's own messages, which the command line shows as they are. */
  @Test
  void theLibraryWritesTheSame() {
    Locale.setDefault(Locale.ROOT);
    String expected = lengthsThatDiffer();
    Locale.setDefault(Locale.forLanguageTag("ar-EG"));
    assertEquals(expected, lengthsThatDiffer());
  }

  private static String lengthsThatDiffer() {
    try (Device device = Devices.cpu(1);
        Tensor values = device.allocate(ElementType.FLOAT32, 1234);
        Tensor gradients = device.allocate(ElementType.FLOAT32, 1235)) {
      ParametersBuilder builder = Parameters.on(device);
      return assertThrows(
              IllegalArgumentException.class, () -> builder.borrow("w", values, gradients))
          .getMessage();
    }
  }
}
