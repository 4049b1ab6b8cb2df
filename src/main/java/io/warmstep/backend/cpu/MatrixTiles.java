package io.warmstep.backend.cpu;

/** The tiles that products of a height and a width are cut into, for matrices of one batch. */
final class MatrixTiles {
  /** Most rows of a tile, of which as many use a packed panel. */
  static final int ROWS = 192;

  /** Most columns of a tile: enough for the ends of the innermost loop to cost little. */
  static final int COLUMNS = 1024;

  private static final int MIN_ROWS = 24;

  /** So many tiles that threads which are held up do not hold up the others. */
  private static final int TILES_PER_THREAD = 4;

  private final int height;
  private final int width;
  private final int tileRows;
  private final int across;
  private final int perMatrix;

  MatrixTiles(int height, int width, int matrices, int threads) {
    this.height = height;
    this.width = width;
    this.across = (width - 1) / COLUMNS + 1;
    int rows = ROWS;
    long wanted = threads == 1 ? 1 : (long) threads * TILES_PER_THREAD;
    while (rows > MIN_ROWS && (long) matrices * across * ((height - 1) / rows + 1) < wanted) {
      rows /= 2;
    }
    this.tileRows = rows;
    this.perMatrix = ((height - 1) / rows + 1) * across;
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
    return tile % across * COLUMNS;
  }

  int columns(int tile) {
    return Math.min(COLUMNS, width - column(tile));
  }
}
