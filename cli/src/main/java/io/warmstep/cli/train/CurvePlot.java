package io.warmstep.cli.train;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Draws curves over each other into a PNG or SVG file. */
public final class CurvePlot {
  private static final int WIDTH = 1000;
  private static final int HEADER = 78;
  private static final int HEIGHT = HEADER + 560;

  /** Okabe and Ito's colours, which the colour-blind can tell apart. */
  private static final Color[] COLORS = {
    new Color(0x0072B2),
    new Color(0xD55E00),
    new Color(0x009E73),
    new Color(0xCC79A7),
    new Color(0xE69F00),
    new Color(0x56B4E9),
    new Color(0x8A6D3B),
    new Color(0x7F7F7F)
  };

  private static final float[][] DASHES = {null, {7, 4}, {2, 3}, {10, 3, 2, 3}};

  private final String title;
  private final String subtitle;
  private final XYChart chart = new XYChart(WIDTH, HEIGHT - HEADER);
  private final List<double[]> heights = new ArrayList<>();
  private int curves;

  /**
   * Begins a plot.
   *
   * @param title what to see in it
   * @param subtitle what was done
   * @param x what the horizontal axis is
   * @param y what the vertical axis is
   */
  public CurvePlot(String title, String subtitle, String x, String y) {
    this.title = title;
    this.subtitle = subtitle;
    chart.setXAxisTitle(x);
    chart.setYAxisTitle(y);
    XYStyler styler = chart.getStyler();
    styler.setLocale(Locale.ROOT);
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setPlotBackgroundColor(Color.WHITE);
    styler.setPlotBorderVisible(false);
    styler.setPlotGridLinesColor(PlotPanels.GRID);
    styler.setChartTitleVisible(false);
    styler.setAxisTicksLineVisible(false);
    styler.setAxisTickLabelsColor(PlotPanels.FAINT_TEXT);
    styler.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    styler.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 14));
    styler.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    styler.setLegendPosition(LegendPosition.OutsideE);
    styler.setLegendLayout(LegendLayout.Vertical);
    styler.setLegendBorderColor(Color.WHITE);
  }

  /**
   * Sets which axes are logarithmic; before the first curve.
   *
   * @param x the horizontal one, otherwise of whole numbers
   * @param y the vertical one
   * @return this plot
   */
  public CurvePlot logarithmic(boolean x, boolean y) {
    chart.getStyler().setXAxisLogarithmic(x);
    chart.getStyler().setYAxisLogarithmic(y);
    if (!x) {
      chart.getStyler().setXAxisDecimalPattern("#,##0");
    }
    return this;
  }

  /**
   * Adds a curve. What is not finite, or cannot stand on a logarithmic axis, is left out.
   *
   * @param name what the legend says
   * @param x where
   * @param y how high
   */
  public void add(String name, double[] x, double[] y) {
    double[] heightsLeft = new double[y.length];
    double[] placesLeft = new double[y.length];
    int count = 0;
    for (int i = 0; i < y.length; i++) {
      if (Double.isFinite(y[i]) && (y[i] > 0 || !chart.getStyler().isYAxisLogarithmic())) {
        placesLeft[count] = x[i];
        heightsLeft[count++] = y[i];
      }
    }
    if (count == 0) {
      return;
    }
    double[] shown = Arrays.copyOf(heightsLeft, count);
    heights.add(shown);
    XYSeries series = chart.addSeries(name, Arrays.copyOf(placesLeft, count), shown);
    float[] dash = DASHES[curves / COLORS.length % DASHES.length];
    style(series, COLORS[curves % COLORS.length], dash);
    curves++;
  }

  /**
   * Marks a place by a vertical line.
   *
   * @param name what the legend says
   * @param x where
   */
  public void mark(String name, double x) {
    double low = heights.stream().flatMapToDouble(Arrays::stream).min().orElse(1);
    double high = heights.stream().flatMapToDouble(Arrays::stream).max().orElse(1);
    XYSeries series = chart.addSeries(name, new double[] {x, x}, new double[] {low, high});
    style(series, COLORS[curves % COLORS.length], new float[] {5, 4});
    curves++;
  }

  private static void style(XYSeries series, Color color, float[] dash) {
    series
        .setMarker(SeriesMarkers.NONE)
        .setLineColor(color)
        .setLineStyle(
            new BasicStroke(2.2f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 1, dash, 0));
  }

  /**
   * Draws and writes.
   *
   * @param file where to
   * @throws IOException if the file cannot be written
   */
  public void write(PlotFile file) throws IOException {
    file.write(WIDTH, HEIGHT, this::draw);
  }

  private void draw(Graphics2D graphics) {
    graphics.setColor(PlotPanels.TEXT);
    graphics.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 18));
    graphics.drawString(title, PlotPanels.RIGHT_MARGIN, 38);
    graphics.setColor(PlotPanels.FAINT_TEXT);
    graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 14));
    graphics.drawString(subtitle, PlotPanels.RIGHT_MARGIN, 62);
    graphics.translate(0, HEADER);
    chart.paint(graphics, WIDTH, HEIGHT - HEADER);
  }
}
