package io.warmstep.cli.train;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.geom.Path2D;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler.TextAlignment;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The three panels of a {@link TrainingPlot}, aligned over the same steps. */
final class PlotPanels {
  static final Color TEXT = new Color(0x22262B);
  static final Color FAINT_TEXT = new Color(0x5B636D);
  static final int LEFT_MARGIN = 88;
  static final int RIGHT_MARGIN = 12;

  static final Color GRID = new Color(0xE6E9ED);
  // Blue and orange of Okabe and Ito (2008): told apart with any colour vision, and in grey.
  static final Color TRAIN = new Color(0x0072B2);
  static final Color TEST = new Color(0xD55E00);
  // The test curve lies on top: where the two are one, the other shows on both sides of it.
  static final float TRAIN_WIDTH = 3.6f;
  static final float TEST_WIDTH = 1.6f;
  private static final Color RATE = new Color(0x5B636D);

  /** More points than this are not visible in the width of the plot. */
  private static final int MAX_RATE_POINTS = 800;

  /** A loss that spans more than this factor is drawn on a logarithmic axis. */
  private static final double LOG_SPAN = 30;

  /** Room beyond the first tick of an axis, of its length: XChart labels none at the very end. */
  private static final double TICK_ROOM = 0.004;

  /** So few evaluations are no curve to zoom into. */
  private static final int FEW_POINTS = 8;

  private PlotPanels() {}

  /** Loss, accuracy and learning rate, from top to bottom. */
  static List<XYChart> of(History history, int width, int[] heights) {
    XYChart loss = panel(width, heights[0], history, "Loss", false);
    curves(loss, history, evaluation -> evaluation.loss());
    scaleLoss(loss, history);

    XYChart accuracy = panel(width, heights[1], history, "Accuracy", false);
    curves(accuracy, history, evaluation -> 100 * evaluation.accuracy());
    double lowest = lowestShownAccuracy(history);
    accuracy.getStyler().setYAxisMin(lowest - (100 - lowest) * TICK_ROOM).setYAxisMax(100.9);
    accuracy.getStyler().setYAxisDecimalPattern("0.## '%'");
    if (lowest > 0) {
      accuracy.setYAxisTitle(String.format(Locale.ROOT, "Accuracy (from %.0f %%)", lowest));
    }

    XYChart rate = panel(width, heights[2], history, "Learning rate", true);
    rate(rate, history);
    return List.of(loss, accuracy, rate);
  }

  private static XYChart panel(
      int width, int height, History history, String title, boolean bottom) {
    XYChart chart = new XYChart(width, height);
    chart.setYAxisTitle(title);
    XYStyler styler = chart.getStyler();
    styler.setLocale(Locale.ROOT);
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setPlotBackgroundColor(Color.WHITE);
    styler.setPlotBorderVisible(false);
    styler.setPlotGridLinesColor(GRID);
    styler.setPlotGridLinesStroke(new BasicStroke(1f));
    styler.setPlotContentSize(1.0);
    styler.setPlotMargin(0);
    styler.setChartPadding(RIGHT_MARGIN);
    styler.setChartTitleVisible(false);
    styler.setAxisTicksLineVisible(false);
    styler.setAxisTicksMarksVisible(false);
    styler.setAxisTickLabelsColor(FAINT_TEXT);
    styler.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    styler.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 14));
    styler.setYAxisTitleColor(TEXT);
    styler.setXAxisTitleColor(TEXT);
    styler.setYAxisLeftWidthHint(LEFT_MARGIN);
    double steps = Math.max(1, history.steps());
    styler.setXAxisMin(-steps * TICK_ROOM).setXAxisMax(steps * (1 + TICK_ROOM));
    styler.setYAxisLabelAlignment(TextAlignment.Right);
    styler.setXAxisDecimalPattern("#,##0");
    styler.setXAxisTickMarkSpacingHint(90);
    if (bottom) {
      chart.setXAxisTitle("Step");
    } else {
      styler.setXAxisTitleVisible(false);
    }
    return chart;
  }

  private static void curves(
      XYChart chart, History history, ToDoubleFunction<Mlp.Evaluation> value) {
    List<History.Point> points = history.points();
    double[] steps = points.stream().mapToDouble(History.Point::step).toArray();
    double[] train = points.stream().mapToDouble(p -> value.applyAsDouble(p.train())).toArray();
    double[] test = points.stream().mapToDouble(p -> value.applyAsDouble(p.test())).toArray();
    style(chart.addSeries("training", steps, train), TRAIN, new BasicStroke(TRAIN_WIDTH));
    style(chart.addSeries("test", steps, test), TEST, new BasicStroke(TEST_WIDTH));
    breakEvenSpacing(chart, steps, train[0]);
    // One legend in the heading serves both panels and hides no curve.
    chart.getStyler().setLegendVisible(false);
  }

  private static void scaleLoss(XYChart chart, History history) {
    double lowest = Double.POSITIVE_INFINITY;
    double highest = 0;
    for (History.Point point : history.points()) {
      lowest = Math.min(lowest, Math.min(point.train().loss(), point.test().loss()));
      highest = Math.max(highest, Math.max(point.train().loss(), point.test().loss()));
    }
    if (lowest > 0 && highest / lowest > LOG_SPAN) {
      chart.getStyler().setYAxisLogarithmic(true);
      chart.setYAxisTitle("Loss (log scale)");
      chart.getStyler().setYAxisMin(lowest / 1.2).setYAxisMax(highest * 1.2);
    } else {
      startAtZero(chart, highest);
    }
  }

  private static void startAtZero(XYChart chart, double highest) {
    double top = highest > 0 ? highest * 1.05 : 1;
    chart.getStyler().setYAxisMin(-top * TICK_ROOM).setYAxisMax(top);
  }

  /**
   * Leaves out the steep rise of the first epochs: the lowest accuracy of the run's second half,
   * less a margin, in whole tens of percent. A run of few epochs is shown whole.
   */
  private static double lowestShownAccuracy(History history) {
    if (history.points().size() < FEW_POINTS) {
      return 0;
    }
    double lowest = 1;
    for (History.Point point : history.points()) {
      if (2 * point.step() >= history.steps()) {
        lowest = Math.min(lowest, Math.min(point.train().accuracy(), point.test().accuracy()));
      }
    }
    return Math.max(0, 10 * Math.floor(10 * lowest - 1));
  }

  /** Marks the foot of an axis that leaves out what is below, as a zigzag through it. */
  static void markCut(Graphics2D graphics, XYChart panel) {
    XYStyler styler = panel.getStyler();
    if (styler.isYAxisLogarithmic() || styler.getYAxisMin() <= 0) {
      return;
    }
    double x = panel.getScreenXFromChart(0);
    double foot = panel.getScreenYFromChart(styler.getYAxisMin());
    Path2D zigzag = new Path2D.Double();
    zigzag.moveTo(x, foot);
    zigzag.lineTo(x, foot - 6);
    zigzag.lineTo(x - 5, foot - 9);
    zigzag.lineTo(x + 5, foot - 15);
    zigzag.lineTo(x, foot - 18);
    zigzag.lineTo(x, foot - 24);
    graphics.setColor(TEXT);
    graphics.setStroke(new BasicStroke(1.6f));
    graphics.draw(zigzag);
  }

  private static void rate(XYChart chart, History history) {
    int stride = Math.max(1, history.steps() / MAX_RATE_POINTS);
    int count = (history.steps() + stride - 1) / stride;
    double[] steps = new double[count];
    double[] rates = new double[count];
    for (int i = 0; i < count; i++) {
      steps[i] = 1 + (double) i * stride;
      rates[i] = history.rate(1 + i * stride);
    }
    if (count == 1) {
      // A single step has no length: show its rate over the whole axis.
      steps = new double[] {0, 1};
      rates = new double[] {rates[0], rates[0]};
    }
    style(chart.addSeries("rate", steps, rates), RATE, new BasicStroke(2f));
    breakEvenSpacing(chart, steps, rates[0]);
    chart.getStyler().setLegendVisible(false);
    chart.getStyler().setYAxisTickMarkSpacingHint(40);
    double highest = Arrays.stream(rates).max().orElse(1);
    startAtZero(chart, highest);
    chart.getStyler().setYAxisDecimalPattern(highest >= 1e-3 ? "0.######" : "0.##E0");
  }

  /**
   * Adds a hidden point. XChart puts the tick marks of evenly spaced data at the data (135, 270,
   * …); with the point in between it chooses round numbers.
   */
  private static void breakEvenSpacing(XYChart chart, double[] steps, double y) {
    double between = steps.length > 1 ? steps[0] + (steps[1] - steps[0]) / Math.E : steps[0] / 2;
    chart.addSeries("spacing", new double[] {between}, new double[] {y}).setEnabled(false);
  }

  private static void style(XYSeries series, Color color, BasicStroke stroke) {
    series.setMarker(SeriesMarkers.NONE).setLineColor(color).setLineStyle(stroke);
  }
}
