package io.warmstep.cli.train;

import io.warmstep.schedule.FitVerdict.Fit;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.font.FontRenderContext;
import java.awt.geom.Rectangle2D;
import java.awt.geom.RoundRectangle2D;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.XYChart;

/**
 * Draws a training run: loss, accuracy and learning rate, one panel above the other over the same
 * steps, into a PNG or SVG file.
 */
public final class TrainingPlot {
  private static final int WIDTH = 1000;
  private static final int HEADER = 84;

  /** Points; a title that is too long for it is drawn smaller. */
  private static final int TITLE_SIZE = 18;

  private static final int[] PANEL_HEIGHTS = {330, 270, 236};
  private static final int HEIGHT = HEADER + 330 + 270 + 236;

  private final PlotFile file;

  /** What the heading says. */
  private record Heading(String title, String result, Fit fit) {}

  /**
   * Prepares a plot.
   *
   * @param file where to write
   */
  public TrainingPlot(PlotFile file) {
    this.file = file;
  }

  /**
   * Prepares a plot, so that what would prevent it is known before the training.
   *
   * @param file where to write, ending in {@code .png} or {@code .svg}
   * @return the plot, not yet written
   * @throws IllegalArgumentException if the ending is another, or no file can be written there
   * @throws IllegalStateException if this machine has no fonts
   */
  public static TrainingPlot to(Path file) {
    return new TrainingPlot(PlotFile.to(file));
  }

  /**
   * Draws the run and writes the file; one that was there is replaced when the new one is whole.
   *
   * @param history what was measured
   * @param title what was trained and how
   * @param fit the verdict
   * @throws IOException if the file cannot be written
   */
  public void write(History history, String title, Fit fit) throws IOException {
    History.Point last = history.last();
    String result =
        String.format(
            Locale.ROOT,
            "%,d %s · loss: training %.4f, test %.4f · accuracy: training %.4f, test %.4f",
            history.steps(),
            history.steps() == 1 ? "step" : "steps",
            last.train().loss(),
            last.test().loss(),
            last.train().accuracy(),
            last.test().accuracy());
    Heading heading = new Heading(title, result, fit);
    file.write(WIDTH, HEIGHT, graphics -> draw(graphics, history, heading));
  }

  private static void draw(Graphics2D graphics, History history, Heading heading) {
    drawHeading(graphics, heading);
    graphics.translate(0, HEADER);
    List<XYChart> panels = PlotPanels.of(history, WIDTH, PANEL_HEIGHTS);
    for (int i = 0; i < panels.size(); i++) {
      panels.get(i).paint(graphics, WIDTH, PANEL_HEIGHTS[i]);
      PlotPanels.markCut(graphics, panels.get(i));
      graphics.translate(0, PANEL_HEIGHTS[i]);
    }
  }

  private static void drawHeading(Graphics2D graphics, Heading heading) {
    int left = PlotPanels.LEFT_MARGIN;
    int right = WIDTH - PlotPanels.RIGHT_MARGIN;
    double free = drawVerdict(graphics, heading.fit(), right, 20) - left - 24;
    Font font = new Font(Font.SANS_SERIF, Font.BOLD, TITLE_SIZE);
    double width = widthOf(heading.title(), font);
    graphics.setFont(width <= free ? font : font.deriveFont((float) (TITLE_SIZE * free / width)));
    graphics.setColor(PlotPanels.TEXT);
    graphics.drawString(heading.title(), left, 38);
    graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    graphics.setColor(PlotPanels.FAINT_TEXT);
    graphics.drawString(heading.result(), left, 64);

    drawLegend(graphics, right, 64);
  }

  /** Returns where it begins. */
  private static double drawVerdict(Graphics2D graphics, Fit fit, int right, int top) {
    Font font = new Font(Font.SANS_SERIF, Font.BOLD, 14);
    double width = widthOf(fit.toString(), font) + 24;
    graphics.setColor(fit == Fit.APPROPRIATE ? new Color(0x2E7D32) : new Color(0xB3541E));
    graphics.fill(new RoundRectangle2D.Double(right - width, top, width, 26, 13, 13));
    graphics.setColor(Color.WHITE);
    graphics.setFont(font);
    graphics.drawString(fit.toString(), (float) (right - width + 12), top + 18f);
    return right - width;
  }

  private static void drawLegend(Graphics2D graphics, int right, int baseline) {
    Font font = new Font(Font.SANS_SERIF, Font.PLAIN, 14);
    graphics.setFont(font);
    double x = right - widthOf("training", font) - widthOf("test", font) - 2 * 34 - 20;
    for (String set : List.of("training", "test")) {
      boolean isTest = set.equals("test");
      double thick = isTest ? PlotPanels.TEST_WIDTH : PlotPanels.TRAIN_WIDTH;
      graphics.setColor(isTest ? PlotPanels.TEST : PlotPanels.TRAIN);
      graphics.fill(new Rectangle2D.Double(x, baseline - 5 - thick / 2, 26, thick));
      graphics.setColor(PlotPanels.TEXT);
      graphics.drawString(set, (float) x + 34, baseline);
      x += 34 + widthOf(set, font) + 20;
    }
  }

  private static double widthOf(String text, Font font) {
    return font.getStringBounds(text, new FontRenderContext(null, true, true)).getWidth();
  }
}
