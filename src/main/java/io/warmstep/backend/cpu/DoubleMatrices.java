package io.warmstep.backend.cpu;

import io.warmstep.backend.MatrixBatch;
import io.warmstep.backend.MatrixBatch.Matrix;
import io.warmstep.rule.NewtonSchulz;
import java.util.List;

/**
 * The matrix phase in float64: loads the matrices of a batch into the workspace, iterates, and
 * stores them where they came from. The threads share the tiles of all matrices of a batch.
 */
final class DoubleMatrices {
  /** Rows that are loaded or stored at a time. */
  private static final int ROWS = 64;

  /** Columns that are transposed at a time, and of them a cache line's. */
  private static final int COLUMNS = 64;

  private static final int LINE = 16;

  private final WorkerPool pool;
  private final List<CpuSpan> spans;
  private final List<MatrixBatch> batches;
  private final DoubleProduct[] products; // of each thread
  private final double[][] rows; // of each thread, for rows of a parameter
  private final ElementScratch scratch = new ElementScratch(1); // arrays need none
  private final double[] gram;
  private final double[] polynomial;
  private double[] x;
  private double[] next;
  private final MatrixTiles[] squareTiles; // of each batch
  private final MatrixTiles[] wholeTiles;
  private MatrixBatch batch;
  private MatrixTiles tiles;
  private final WorkerPool.Job load = this::load;
  private final WorkerPool.Job store = this::store;
  private final WorkerPool.Job transpose = this::transpose;
  private final WorkerPool.Job square = this::square;
  private final WorkerPool.Job combine = this::combine;
  private final WorkerPool.Job multiply = this::multiply;

  DoubleMatrices(List<CpuSpan> spans, WorkerPool pool) {
    this.spans = spans;
    this.pool = pool;
    this.batches = MatrixBatch.of(spans.stream().map(CpuSpan::matrix).toList());
    long elements = batches.stream().mapToLong(MatrixBatch::elements).max().orElse(0);
    long squares = batches.stream().mapToLong(MatrixBatch::squares).max().orElse(0);
    this.x = new double[Math.toIntExact(elements)];
    this.next = new double[x.length];
    this.gram = new double[Math.toIntExact(squares)];
    this.polynomial = new double[gram.length];
    this.squareTiles = new MatrixTiles[batches.size()];
    this.wholeTiles = new MatrixTiles[batches.size()];
    for (int i = 0; i < batches.size(); i++) {
      Matrix matrix = batches.get(i).matrix();
      int count = batches.get(i).members().size();
      int height = matrix.height();
      squareTiles[i] = new MatrixTiles(height, height, count, pool.threads());
      wholeTiles[i] = new MatrixTiles(height, matrix.width(), count, pool.threads());
    }
    int threads = batches.isEmpty() ? 0 : pool.threads();
    this.products = new DoubleProduct[threads];
    this.rows = new double[threads][];
    long longest = spans.stream().mapToLong(span -> span.matrix().columns()).max().orElse(0);
    for (int i = 0; i < threads; i++) {
      products[i] = new DoubleProduct();
      rows[i] = new double[Math.toIntExact(longest)];
    }
  }

  /** Does all matrices. */
  void compute() {
    for (int i = 0; i < batches.size(); i++) { // an iterator would allocate on every step
      batch = batches.get(i);
      int matrices = batch.members().size();
      pool.run(load, matrices * blocks());
      for (int step = 0; step < batch.matrix().phase().steps(); step++) {
        pool.run(transpose, matrices * columnBlocks());
        tiles = squareTiles[i];
        pool.run(square, matrices * tiles.perMatrix());
        pool.run(combine, matrices * tiles.perMatrix());
        tiles = wholeTiles[i];
        pool.run(multiply, matrices * tiles.perMatrix());
        double[] former = x;
        x = next;
        next = former;
      }
      pool.run(store, matrices * blocks());
    }
  }

  /** Blocks of rows that a parameter is cut into. */
  private int blocks() {
    return (int) ((batch.matrix().rows() - 1) / ROWS) + 1;
  }

  private void load(int worker, int chunk) {
    copy(worker, chunk, true);
  }

  private void store(int worker, int chunk) {
    copy(worker, chunk, false);
  }

  /** Some rows of a parameter, from the slot to the workspace or back. */
  private void copy(int worker, int chunk, boolean loads) {
    Matrix matrix = batch.matrix();
    int member = chunk / blocks();
    CpuSpan span = spans.get(batch.members().get(member));
    int operand = 2 + matrix.phase().slot();
    CpuMemory memory = span.memories[operand];
    int columns = (int) matrix.columns();
    int first = chunk % blocks() * ROWS;
    int end = (int) Math.min(matrix.rows(), first + (long) ROWS);
    int at = member * (int) matrix.rows() * columns;
    double divisor = span.doubleNumbers[0];
    double[] row = rows[worker];
    for (int i = first; i < end; i++) {
      long place = span.offsets[operand] + (long) i * columns;
      int start = matrix.isTall() ? at + i : at + i * columns;
      int stride = matrix.isTall() ? (int) matrix.rows() : 1;
      if (loads) {
        memory.load(place, row, 0, columns, scratch);
        for (int j = 0; j < columns; j++) {
          x[start + j * stride] = row[j] / divisor;
        }
      } else {
        for (int j = 0; j < columns; j++) {
          row[j] = x[start + j * stride];
        }
        memory.store(place, row, 0, columns, scratch);
      }
    }
  }

  private int columnBlocks() {
    return (batch.matrix().width() - 1) / COLUMNS + 1;
  }

  /**
   * Some columns of X as rows of the next X, which is not needed yet: a product takes rows of its
   * right factor much faster than columns, of which every tile has to.
   */
  private void transpose(int worker, int chunk) {
    int height = batch.matrix().height();
    int width = batch.matrix().width();
    int at = chunk / columnBlocks() * height * width;
    int first = chunk % columnBlocks() * COLUMNS;
    int end = Math.min(first + COLUMNS, width);
    for (int from = first; from < end; from += LINE) {
      int to = Math.min(from + LINE, end);
      for (int i = 0; i < height; i += 8) {
        for (int j = from; j < to; j++) {
          if (i + 8 <= height) {
            transposeEight(x, at + i * width + j, width, next, at + j * height + i);
          } else {
            for (int k = i; k < height; k++) {
              next[at + j * height + k] = x[at + k * width + j];
            }
          }
        }
      }
    }
  }

  /** Eight rows of one column. All loads come first, so that none waits for a store. */
  private static void transposeEight(double[] from, int at, int width, double[] to, int place) {
    double x0 = from[at];
    double x1 = from[at + width];
    double x2 = from[at + 2 * width];
    double x3 = from[at + 3 * width];
    double x4 = from[at + 4 * width];
    double x5 = from[at + 5 * width];
    double x6 = from[at + 6 * width];
    double x7 = from[at + 7 * width];
    to[place] = x0;
    to[place + 1] = x1;
    to[place + 2] = x2;
    to[place + 3] = x3;
    to[place + 4] = x4;
    to[place + 5] = x5;
    to[place + 6] = x6;
    to[place + 7] = x7;
  }

  /**
   * A chunk's tile of a symmetric product. The pool begins with the last chunk, and the first tile
   * has the longest rows: so none of these is left to the end, and the compiler's profile of the
   * innermost loop is not of short rows, for which it would leave the loop scalar.
   */
  private int longestFirst(int chunk) {
    return tiles.perMatrix() - 1 - chunk % tiles.perMatrix();
  }

  /** A tile of X Xᵀ. */
  private void square(int worker, int chunk) {
    DoubleProduct product = products[worker];
    if (product.tile(tiles, longestFirst(chunk), true)) {
      int matrix = chunk / tiles.perMatrix();
      int height = batch.matrix().height();
      int width = batch.matrix().width();
      int at = matrix * height * width;
      product.multiply(x, at, width, next, at, height);
      product.store(gram, matrix * height * height, height);
    }
  }

  /** A tile of b A + c A A; A is its own transpose. */
  private void combine(int worker, int chunk) {
    DoubleProduct product = products[worker];
    if (product.tile(tiles, longestFirst(chunk), true)) {
      NewtonSchulz phase = batch.matrix().phase();
      int height = batch.matrix().height();
      int at = chunk / tiles.perMatrix() * height * height;
      product.multiply(gram, at, height, gram, at, height);
      product.combine(phase.c(), phase.b(), gram, at, height);
      product.store(polynomial, at, height);
    }
  }

  /** A tile of the next X. */
  private void multiply(int worker, int chunk) {
    DoubleProduct product = products[worker];
    product.tile(tiles, chunk % tiles.perMatrix(), false);
    int matrix = chunk / tiles.perMatrix();
    int height = batch.matrix().height();
    int width = batch.matrix().width();
    int at = matrix * height * width;
    product.multiply(polynomial, matrix * height * height, height, x, at, width);
    product.addTo(batch.matrix().phase().a(), x, at, width);
    product.store(next, at, width);
  }
}
