package io.warmstep.backend.cpu;

import io.warmstep.backend.StepPlan;
import java.util.Arrays;
import java.util.List;

/**
 * What comes before the first phase where squares are kept as factors, in float32: sums of squared
 * gradients over rows and columns of matrices, by which the factors move. The threads share tiles,
 * whose sums are then added up in their order. See NUMERICS.md.
 */
final class FloatFactors {
  private static final int ROWS = StepPlan.FACTOR_ROWS;
  private static final int COLUMNS = StepPlan.FACTOR_COLUMNS;

  /** Columns of tiles side by side that are loaded together, since each load begins slowly. */
  private static final int BAND = 16 * COLUMNS;

  private final WorkerPool pool;
  private final Matrices[] all;
  private final Worker[] workers;
  private final int bands;
  private final int joins;
  private final WorkerPool.Job addBand = this::addBand;
  private final WorkerPool.Job join = this::join;

  /** The matrices of one parameter, and the sums of their tiles. */
  private static final class Matrices {
    final CpuSpan span;
    final StepPlan.Factors factors;
    final FactoredMemory memory; // what phases read
    final int firstBand; // among all
    final int firstJoin;
    final float[] rowSums; // those of a row one after the other
    final float[] columnSums; // those of a tile one after the other

    Matrices(CpuSpan span, int firstBand, int firstJoin) {
      this.span = span;
      this.factors = span.factors;
      this.memory = (FactoredMemory) span.memories[span.inverses()];
      this.firstBand = firstBand;
      this.firstJoin = firstJoin;
      this.rowSums = new float[(int) factors.rowSums()];
      this.columnSums = new float[(int) factors.columnSums()];
    }

    /** Bands beside each other. */
    int across() {
      return Math.toIntExact((factors.width() + BAND - 1) / BAND);
    }

    int bands() {
      return Math.toIntExact(factors.matrices() * factors.down() * across());
    }

    /** The rows of a matrix are one join, and so are its columns. */
    int joins() {
      return Math.multiplyExact(2, Math.toIntExact(factors.matrices()));
    }
  }

  /** One thread's room. */
  private static final class Worker {
    final float[] gradients = new float[BAND];
    final float[] squares = new float[BAND];
    final float[] sums = new float[BAND];
    final ElementScratch scratch = new ElementScratch(BAND);
  }

  FloatFactors(CpuSpan[] spans, WorkerPool pool) {
    this.pool = pool;
    List<CpuSpan> factored =
        Arrays.stream(spans).filter(span -> span.factors != null && !span.isDouble).toList();
    this.all = new Matrices[factored.size()];
    int bandsSoFar = 0;
    int joinsSoFar = 0;
    for (int i = 0; i < all.length; i++) {
      all[i] = new Matrices(factored.get(i), bandsSoFar, joinsSoFar);
      bandsSoFar = Math.addExact(bandsSoFar, all[i].bands());
      joinsSoFar = Math.addExact(joinsSoFar, all[i].joins());
    }
    this.bands = bandsSoFar;
    this.joins = joinsSoFar;
    this.workers = new Worker[all.length == 0 ? 0 : pool.threads()];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker();
    }
    prepare();
  }

  /** Makes room for what has to be copied, so that no step does. */
  void prepare() {
    for (Matrices matrices : all) {
      for (Worker worker : workers) {
        worker.scratch.prepare(matrices.span.memories[1]);
      }
    }
  }

  /** Moves the factors of all matrices. */
  void compute() {
    if (all.length > 0) {
      for (Matrices matrices : all) {
        matrices.memory.floatBound = 1f / Math.max(eps(matrices.span), Float.MIN_NORMAL);
      }
      pool.run(addBand, bands);
      pool.run(join, joins);
    }
  }

  /** The least that a mean of rows counts as, and a root of squares. */
  private static float eps(CpuSpan span) {
    float eps = span.group.floatScalars[1];
    return eps == 0 ? Math.ulp(1f) : eps;
  }

  private Matrices ofBand(int band) {
    int low = 0;
    for (int high = all.length; high - low > 1; ) {
      int middle = (low + high) >>> 1;
      if (all[middle].firstBand <= band) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return all[low];
  }

  private void addBand(int thread, int index) {
    Worker worker = workers[thread];
    Matrices matrices = ofBand(index);
    StepPlan.Factors factors = matrices.factors;
    int band = index - matrices.firstBand;
    int across = matrices.across();
    int down = (int) factors.down();
    long matrix = band / across / down;
    long firstRow = (long) (band / across % down) * ROWS;
    long firstColumn = (long) (band % across) * BAND;
    int rows = (int) Math.min(ROWS, factors.height() - firstRow);
    int n = (int) Math.min(BAND, factors.width() - firstColumn);
    float[] s = worker.squares;
    float[] sums = worker.sums;
    Arrays.fill(sums, 0, n, 0f);
    for (int i = 0; i < rows; i++) {
      long row = matrix * factors.height() + firstRow + i;
      square(worker, matrices.span, row * factors.width() + firstColumn, n);
      for (int j = 0; j < n; j++) {
        sums[j] += s[j];
      }
      int place = (int) (row * factors.across() + firstColumn / COLUMNS);
      for (int from = 0; from < n; from += COLUMNS) {
        int width = FloatTreeSum.paddedWidth(Math.min(COLUMNS, n - from));
        Arrays.fill(s, Math.min(n, from + width), from + width, 0f);
        matrices.rowSums[place++] = FloatTreeSum.fold(s, from, width);
      }
    }
    long place = (matrix * down + firstRow / ROWS) * factors.width() + firstColumn;
    System.arraycopy(sums, 0, matrices.columnSums, (int) place, n);
  }

  /** The squares of some gradients. */
  private static void square(Worker worker, CpuSpan span, long at, int n) {
    float[] g = worker.gradients;
    float[] s = worker.squares;
    span.memories[1].load(span.offsets[1] + at, g, 0, n, worker.scratch);
    float scale = span.group.gradients.prepare(g, 1, 0, n);
    for (int j = 0; j < n; j++) {
      float x = scale * g[j];
      s[j] = x * x;
    }
  }

  private void join(int thread, int index) {
    int found = 0;
    while (found + 1 < all.length && all[found + 1].firstJoin <= index) {
      found++;
    }
    Matrices matrices = all[found];
    int its = index - matrices.firstJoin;
    if (its % 2 == 0) {
      joinRows(workers[thread], matrices, its / 2);
    } else {
      joinColumns(workers[thread], matrices, its / 2);
    }
  }

  /** Moves a matrix's factors of rows, and forms the inverse roots of these over their mean. */
  private static void joinRows(Worker worker, Matrices matrices, long matrix) {
    StepPlan.Factors factors = matrices.factors;
    CpuMemory memory = (CpuMemory) factors.rows().memory();
    float fresh = matrices.span.group.floatScalars[0];
    float[] inverses = matrices.memory.floatRows;
    float[] sums = worker.sums;
    int across = (int) factors.across();
    int first = (int) (matrix * factors.height());
    int height = (int) factors.height();
    Arrays.fill(sums, 0, COLUMNS, 0f);
    for (int from = 0; from < height; from += COLUMNS) {
      int n = Math.min(COLUMNS, height - from);
      float[] factor = worker.squares;
      long place = factors.rows().offset() + first + from;
      memory.load(place, factor, 0, n, worker.scratch);
      for (int i = 0; i < n; i++) {
        float sum = 0f;
        for (int part = 0; part < across; part++) {
          sum += matrices.rowSums[(first + from + i) * across + part];
        }
        float mean = sum / (float) factors.width();
        factor[i] = Math.fma(fresh, mean - factor[i], factor[i]);
        sums[i] += factor[i];
        inverses[first + from + i] = factor[i];
      }
      memory.store(place, factor, 0, n, worker.scratch);
    }
    float mean = FloatTreeSum.fold(sums, 0, COLUMNS) / (float) height;
    float root = (float) Math.sqrt(Math.max(mean, eps(matrices.span)));
    for (int i = first; i < first + height; i++) {
      inverses[i] = root / (float) Math.sqrt(inverses[i]);
    }
  }

  /** Moves a matrix's factors of columns, and forms their inverse roots. */
  private static void joinColumns(Worker worker, Matrices matrices, long matrix) {
    StepPlan.Factors factors = matrices.factors;
    CpuMemory memory = (CpuMemory) factors.columns().memory();
    float fresh = matrices.span.group.floatScalars[0];
    float[] sums = worker.sums;
    float[] factor = worker.squares;
    float[] inverses = matrices.memory.floatColumns;
    float largest = 0f;
    int down = (int) factors.down();
    int width = (int) factors.width();
    for (int from = 0; from < width; from += COLUMNS) {
      int n = Math.min(COLUMNS, width - from);
      Arrays.fill(sums, 0, n, 0f);
      for (int part = 0; part < down; part++) {
        int at = (int) ((matrix * down + part) * width) + from;
        for (int j = 0; j < n; j++) {
          sums[j] += matrices.columnSums[at + j];
        }
      }
      long place = factors.columns().offset() + matrix * width + from;
      memory.load(place, factor, 0, n, worker.scratch);
      for (int j = 0; j < n; j++) {
        float mean = sums[j] / (float) factors.height();
        factor[j] = Math.fma(fresh, mean - factor[j], factor[j]);
      }
      memory.store(place, factor, 0, n, worker.scratch);
      int first = (int) (matrix * width) + from;
      for (int j = 0; j < n; j++) {
        float inverse = 1f / (float) Math.sqrt(factor[j]);
        inverses[first + j] = inverse;
        largest = Math.max(largest, inverse);
      }
    }
    matrices.memory.floatLargest[(int) matrix] = largest;
  }
}
