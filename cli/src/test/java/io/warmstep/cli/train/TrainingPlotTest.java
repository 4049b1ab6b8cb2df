package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.FitVerdict.Fit;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.Map;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;

class TrainingPlotTest {
  private static final int TRAIN = 0x0072B2;
  private static final int TEST = 0xD55E00;
  private static final int RATE = 0x5B636D;

  @TempDir Path folder;

  private static History history(int epochs, int stepsPerEpoch) {
    History history = new History();
    for (int epoch = 0; epoch <= epochs; epoch++) {
      double loss = 2.3 * Math.exp(-0.3 * epoch);
      history.addEvaluation(
          new Mlp.Evaluation(loss, 1 - 0.4 * loss),
          new Mlp.Evaluation(loss + 0.1, 0.9 - 0.3 * loss));
      for (int step = 0; epoch < epochs && step < stepsPerEpoch; step++) {
        history.addStep(1e-3 / (1 + epoch));
      }
    }
    return history;
  }

  @Test
  void pngShowsAllCurvesInTheirPanels() throws IOException {
    Path file = folder.resolve("run.PNG");
    TrainingPlot.to(file).write(history(20, 10), "digits: adam", Fit.APPROPRIATE);
    BufferedImage image = ImageIO.read(file.toFile());
    assertTrue(image.getWidth() >= 1000 && image.getHeight() >= 800);
    int third = image.getHeight() / 3;
    Map<Integer, Integer> top = colors(image, third / 3, third);
    Map<Integer, Integer> middle = colors(image, third + third / 3, 2 * third);
    Map<Integer, Integer> bottom = colors(image, 2 * third + third / 3, image.getHeight());
    for (Map<Integer, Integer> panel : java.util.List.of(top, middle)) {
      assertTrue(panel.getOrDefault(TRAIN, 0) > 500, "training curve");
      assertTrue(panel.getOrDefault(TEST, 0) > 500, "test curve");
    }
    assertTrue(bottom.getOrDefault(RATE, 0) > 500, "rate curve");
    assertFalse(bottom.containsKey(TRAIN), "no training curve among the rates");
  }

  /** An axis that does not start at zero says so, beside the curves that come in from below. */
  @Test
  void aCutAccuracyAxisIsMarked() throws IOException {
    Path cut = folder.resolve("cut.png");
    TrainingPlot.to(cut).write(history(20, 10), "cut", Fit.APPROPRIATE);
    Path whole = folder.resolve("whole.png");
    TrainingPlot.to(whole).write(history(5, 10), "whole", Fit.APPROPRIATE);
    assertTrue(darkAtTheAxis(cut) > 20);
    assertEquals(0, darkAtTheAxis(whole));

    int[] heights = {200, 200, 200};
    assertEquals(
        "Accuracy (from 70 %)",
        PlotPanels.of(history(20, 10), 800, heights).get(1).getYAxisTitle());
  }

  /** Dark points where the accuracy's vertical axis is; its labels are paler. */
  private static int darkAtTheAxis(Path file) throws IOException {
    BufferedImage image = ImageIO.read(file.toFile());
    int left = 2 * PlotPanels.LEFT_MARGIN;
    return colors(
            image.getSubimage(left - 12, 0, 36, image.getHeight()),
            image.getHeight() / 2,
            image.getHeight() * 3 / 4)
        .getOrDefault(PlotPanels.TEXT.getRGB() & 0xFFFFFF, 0);
  }

  private static Map<Integer, Integer> colors(BufferedImage image, int from, int to) {
    Map<Integer, Integer> counts = new HashMap<>();
    for (int y = from; y < to; y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        counts.merge(image.getRGB(x, y) & 0xFFFFFF, 1, Integer::sum);
      }
    }
    return counts;
  }

  @Test
  void svgIsWellFormedAndHoldsTheHeading() throws Exception {
    Path file = folder.resolve("run.svg");
    TrainingPlot.to(file).write(history(5, 3), "digits: adam < sgd & more", Fit.OVER_FITTING);
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    factory.setFeature("http://apache.org/xml/features/nonvalidating/load-external-dtd", false);
    Document document = factory.newDocumentBuilder().parse(file.toFile());
    String text = document.getDocumentElement().getTextContent();
    assertEquals("svg", document.getDocumentElement().getTagName());
    assertTrue(text.contains("digits: adam < sgd & more"), text);
    assertTrue(text.contains("over-fitting"), text);
    assertTrue(text.contains("15 steps"), text);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void shortRunsCanBeDrawn(int epochs) throws IOException {
    Path file = folder.resolve("short.png");
    TrainingPlot.to(file).write(history(epochs, 1), "short", Fit.UNDER_FITTING);
    assertTrue(Files.size(file) > 10_000);
  }

  @ParameterizedTest
  @ValueSource(strings = {"run.pdf", "run", "png", "run.png.txt"})
  void unknownEndingIsRefusedBeforeTraining(String name) {
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> TrainingPlot.to(folder.resolve(name)));
    assertTrue(e.getMessage().contains("must end in .png or .svg"), e.getMessage());
  }

  @Test
  void missingFolderIsRefusedBeforeTraining() {
    Exception e =
        assertThrows(
            IllegalArgumentException.class,
            () -> TrainingPlot.to(folder.resolve("no/such/run.png")));
    assertTrue(e.getMessage().contains("does not exist"), e.getMessage());
  }

  @Test
  void aFolderIsRefusedBeforeTraining() throws IOException {
    Path taken = Files.createDirectory(folder.resolve("run.png"));
    Exception e = assertThrows(IllegalArgumentException.class, () -> TrainingPlot.to(taken));
    assertTrue(e.getMessage().contains("this is a folder"), e.getMessage());
  }

  /** A pipe without a reader would have been waited for forever. */
  @Test
  void aPipeIsRefusedBeforeTraining() throws Exception {
    Path pipe = folder.resolve("run.png");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    Exception e = assertThrows(IllegalArgumentException.class, () -> TrainingPlot.to(pipe));
    assertTrue(e.getMessage().contains("but this is a pipe"), e.getMessage());
  }

  @Test
  void aLinkStaysAndTheModeOfItsTargetToo() throws IOException {
    Path target = Files.writeString(folder.resolve("run-7.svg"), "former");
    Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rw-------"));
    Path link = Files.createSymbolicLink(folder.resolve("latest.svg"), Path.of("run-7.svg"));
    TrainingPlot.to(link).write(history(3, 5), "linked", Fit.APPROPRIATE);
    assertTrue(Files.isSymbolicLink(link));
    assertTrue(Files.readString(target).contains("<svg"));
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(target)));
  }

  @Test
  void askingWhetherItCanBeWrittenLeavesNoTrace() throws IOException {
    Path absent = folder.resolve("new.png");
    TrainingPlot.to(absent);
    assertFalse(Files.exists(absent));
    Path present = Files.writeString(folder.resolve("old.svg"), "kept until there is a plot");
    TrainingPlot.to(present);
    assertEquals("kept until there is a plot", Files.readString(present));
  }
}
