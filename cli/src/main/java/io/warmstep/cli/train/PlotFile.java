package io.warmstep.cli.train;

import de.erichseifert.vectorgraphics2d.Document;
import de.erichseifert.vectorgraphics2d.VectorGraphics2D;
import de.erichseifert.vectorgraphics2d.svg.SVGProcessor;
import de.erichseifert.vectorgraphics2d.util.PageSize;
import io.warmstep.file.AtomicFile;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.font.FontRenderContext;
import java.awt.image.BufferedImage;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.function.Consumer;
import javax.imageio.ImageIO;

/** A PNG or SVG file to draw into; what would prevent that is known before the work. */
public final class PlotFile {
  /** Pixels of a PNG per unit of the drawing, so that it stays sharp on dense screens. */
  private static final int PNG_SCALE = 2;

  private final Path file;
  private final boolean svg;

  private PlotFile(Path file, boolean svg) {
    this.file = file;
    this.svg = svg;
  }

  /**
   * Prepares a file.
   *
   * @param file where to write, ending in {@code .png} or {@code .svg}
   * @return the file, not yet written
   * @throws IllegalArgumentException if the ending is another, or no file can be written there
   * @throws IllegalStateException if this machine has no fonts
   */
  public static PlotFile to(Path file) {
    System.setProperty("java.awt.headless", "true");
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    if (!name.endsWith(".png") && !name.endsWith(".svg")) {
      throw refused(file, "the file name must end in .png or .svg", null);
    }
    try {
      AtomicFile.check(file);
    } catch (FileSystemException e) {
      throw refused(file, String.valueOf(e.getReason()), e);
    } catch (IOException e) {
      throw refused(file, "it cannot be written: " + e.getMessage(), e);
    }
    requireFonts();
    return new PlotFile(file, name.endsWith(".svg"));
  }

  private static IllegalArgumentException refused(Path file, String reason, IOException cause) {
    return new IllegalArgumentException("--plot is '" + file + "', but " + reason, cause);
  }

  /** Java finds fonts lazily, and fails with all kinds of errors when there are none. */
  private static void requireFonts() {
    try {
      new Font(Font.SANS_SERIF, Font.PLAIN, 12)
          .getStringBounds("0", new FontRenderContext(null, true, true));
    } catch (RuntimeException | LinkageError | InternalError e) {
      throw new IllegalStateException(
          "cannot plot: Java finds no fonts on this machine; install some, on Debian and Ubuntu:"
              + " apt-get install fontconfig fonts-dejavu-core",
          e);
    }
  }

  /**
   * Draws and writes the file; one that was there is replaced when the new one is whole.
   *
   * @param width units of the drawing
   * @param height units of the drawing
   * @param drawing draws onto white
   * @throws IOException if the file cannot be written
   */
  void write(int width, int height, Consumer<Graphics2D> drawing) throws IOException {
    AtomicFile.write(
        file,
        channel -> {
          OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel));
          write(out, width, height, drawing);
          out.flush();
        });
  }

  private void write(OutputStream out, int width, int height, Consumer<Graphics2D> drawing)
      throws IOException {
    if (svg) {
      VectorGraphics2D graphics = new VectorGraphics2D();
      draw(graphics, width, height, drawing);
      Document document =
          new SVGProcessor().getDocument(graphics.getCommands(), new PageSize(0, 0, width, height));
      document.writeTo(out);
    } else {
      ImageIO.write(image(width, height, drawing), "png", out);
    }
  }

  private static BufferedImage image(int width, int height, Consumer<Graphics2D> drawing) {
    BufferedImage image =
        new BufferedImage(width * PNG_SCALE, height * PNG_SCALE, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = image.createGraphics();
    graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    graphics.setRenderingHint(
        RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
    graphics.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
    graphics.scale(PNG_SCALE, PNG_SCALE);
    draw(graphics, width, height, drawing);
    graphics.dispose();
    return image;
  }

  private static void draw(
      Graphics2D graphics, int width, int height, Consumer<Graphics2D> drawing) {
    graphics.setColor(Color.WHITE);
    graphics.fillRect(0, 0, width, height);
    drawing.accept(graphics);
  }
}
