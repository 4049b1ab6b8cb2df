package io.warmstep.backend.cpu;

/** The tiles that products of a height and a width are cut into, for matrices of one batch. */
final class MatrixTiles {
  /** Most rows of a tile, which share a packed panel. */
  static final int ROWS = 192;

  /** Most columns of a tile: enough for the ends of the innermost loop to cost little. */
  static final int COLUMNS = 1024;

  private static final int MIN_ROWS = 24;
  private static final int MIN_COLUMNS = 256;

  /** So many tiles that threads which are held up do not hold up the others. */
  private static final int TILES_PER_THREAD = 4;

  private final int height;
  private final int width;
  private final int tileRows;
  private final int tileColumns;
  private final int across;
  private final int perMatrix;

  MatrixTiles(int height, int width, int matrices, int threads) {
    this.height = height;
    this.width = width;
    long wanted = threads == 1 ? 1 : (long) threads * TILES_PER_THREAD;
    int rows = ROWS;
    int columns = COLUMNS;
    while (rows > MIN_ROWS && count(rows, columns, matrices) < wanted) {
      rows /= 2;
    }
    while (columns > MIN_COLUMNS && count(rows, columns, matrices) < wanted) {
      columns /= 2;
    }
    this.tileRows = rows;
    this.tileColumns = columns;
    this.across = (width - 1) / columns + 1;
    this.perMatrix = ((height - 1) / rows + 1) * across;
  }

  private long count(int rows, int columns, int matrices) {
    return matrices * ((height - 1L) / rows + 1) * ((width - 1L) / columns + 1);
  }

  /** How many there are. */
  int perMatrix() {
    return perMatrix;
  }

  int row(int tile) {
    return tile / across * tileRows;
  }

  int rows(int tile) {
    return Math.min(tileRows, height - row(tile));
  }

  int column(int tile) {
    return tile % across * tileColumns;
  }

  int columns(int tile) {
    return Math.min(tileColumns, width - column(tile));
  }
}
