package io.warmstep.cli.train;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE_NEW;

import de.erichseifert.vectorgraphics2d.Document;
import de.erichseifert.vectorgraphics2d.VectorGraphics2D;
import de.erichseifert.vectorgraphics2d.svg.SVGProcessor;
import de.erichseifert.vectorgraphics2d.util.PageSize;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.font.FontRenderContext;
import java.awt.image.BufferedImage;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
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
   * @throws IllegalArgumentException if the ending is another, the folder does not exist, or the
   *     file cannot be written
   * @throws IllegalStateException if this machine has no fonts
   */
  public static PlotFile to(Path file) {
    System.setProperty("java.awt.headless", "true");
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    if (!name.endsWith(".png") && !name.endsWith(".svg")) {
      throw refused(file, "the file name must end in .png or .svg", null);
    }
    Path folder = file.toAbsolutePath().getParent();
    if (!Files.isDirectory(folder)) {
      throw refused(file, "the folder " + folder + " does not exist", null);
    }
    if (Files.isDirectory(file)) {
      throw refused(file, "this is a folder, the name of a file is needed", null);
    }
    requireWritable(file, folder);
    requireFonts();
    return new PlotFile(file, name.endsWith(".svg"));
  }

  /** Opens the file, since permissions alone do not tell; leaves what is there as it is. */
  private static void requireWritable(Path file, Path folder) {
    boolean isNew = !Files.exists(file);
    try {
      Files.newOutputStream(file, isNew ? CREATE_NEW : APPEND).close();
      if (isNew) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw refused(
          file,
          isNew ? "no file can be created in " + folder : "the file there cannot be written to",
          e);
    }
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
   * Draws and writes the file, replacing what was there.
   *
   * @param width units of the drawing
   * @param height units of the drawing
   * @param drawing draws onto white
   * @throws IOException if the file cannot be written
   */
  void write(int width, int height, Consumer<Graphics2D> drawing) throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      if (svg) {
        VectorGraphics2D graphics = new VectorGraphics2D();
        draw(graphics, width, height, drawing);
        Document document =
            new SVGProcessor()
                .getDocument(graphics.getCommands(), new PageSize(0, 0, width, height));
        document.writeTo(out);
      } else {
        ImageIO.write(image(width, height, drawing), "png", out);
      }
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
