package io.warmstep.backend.cpu;

import io.warmstep.backend.UpdateTiles;

/**
 * The numbers of {@link UpdateTiles} for a block of whole tiles, or those at the end of a
 * parameter, from copies of its elements. The caller fills the arrays, which are of the parameter's
 * arithmetic.
 */
public abstract class TileSums {
  /** Numbers of a row; see {@link #slots}. */
  int width;

  private final int tiles;

  TileSums(int tiles) {
    this.tiles = tiles;
  }

  /**
   * Makes room for a block.
   *
   * @param isDouble whether the arithmetic is float64
   * @param tiles most tiles of a block
   * @return the room
   */
  public static TileSums of(boolean isDouble, int tiles) {
    return isDouble ? new DoubleTileSums(tiles) : new FloatTileSums(tiles);
  }

  /**
   * Says how many slots of the parameter's state are stored as codes.
   *
   * @param slots their number
   */
  public final void slots(int slots) {
    width = UpdateTiles.width(slots);
    prepare(tiles * width);
  }

  /** Makes room for rows. */
  abstract void prepare(int numbers);

  /**
   * For the parameter's elements before the step.
   *
   * @return the array
   */
  public abstract Object before();

  /**
   * For those after the step, and then for each slot of codes in turn.
   *
   * @return the array
   */
  public abstract Object after();

  /**
   * For the gradients.
   *
   * @return the array
   */
  public abstract Object gradients();

  /**
   * The rows of the block's tiles, one after the other.
   *
   * @return the array
   */
  public abstract Object rows();

  /**
   * Measures the update.
   *
   * @param n how many elements the block has
   */
  public final void changes(int n) {
    for (int from = 0, row = 0; from < n; from += UpdateTiles.TILE, row += width) {
      changes(from, Math.min(UpdateTiles.TILE, n - from), row);
    }
  }

  abstract void changes(int from, int n, int row);

  /**
   * Counts codes, whose numbers are in {@link #after}.
   *
   * @param slot which one, from 0
   * @param bound the largest number that they can stand for
   * @param n how many elements the block has
   */
  public final void codes(int slot, float bound, int n) {
    int row = UpdateTiles.CODES + 2 * slot;
    for (int from = 0; from < n; from += UpdateTiles.TILE, row += width) {
      codes(bound, from, Math.min(UpdateTiles.TILE, n - from), row);
    }
  }

  abstract void codes(float bound, int from, int n, int row);

  /**
   * How many numbers the rows of a block are.
   *
   * @param n how many elements it has
   * @return the count
   */
  public final int numbers(int n) {
    return (int) UpdateTiles.count(n) * width;
  }
}
