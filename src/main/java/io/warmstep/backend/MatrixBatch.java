package io.warmstep.backend;

import io.warmstep.check.Arguments;
import io.warmstep.rule.NewtonSchulz;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Matrices of one shape and arithmetic under one iteration, which a backend works on together. They
 * lie in its workspace with no more rows than columns: a matrix with more is transposed on the way.
 *
 * @param matrix what they have in common
 * @param members their indices in the list that they were taken from
 */
public record MatrixBatch(Matrix matrix, List<Integer> members) {
  /**
   * Elements of the workspace that batches share, unless one matrix needs more: 64 MiB of float32.
   */
  private static final long WORKSPACE = 16L << 20;

  /**
   * A matrix and what is done with it.
   *
   * @param phase the iteration
   * @param rows of the parameter
   * @param columns of the parameter
   */
  public record Matrix(NewtonSchulz phase, long rows, long columns) {
    /**
     * Length of the shorter side.
     *
     * @return the rows in the workspace
     */
    public int height() {
      return Math.toIntExact(Math.min(rows, columns));
    }

    /**
     * Length of the longer side.
     *
     * @return the columns in the workspace
     */
    public int width() {
      return Math.toIntExact(Math.max(rows, columns));
    }

    /**
     * Whether the matrix is transposed on its way.
     *
     * @return true if it has more rows than columns
     */
    public boolean isTall() {
      return rows > columns;
    }

    /** Two matrices of its shape, and two squares of its height. */
    private long workspace() {
      return 2 * (rows * columns + (long) height() * height());
    }
  }

  /**
   * Copies the list.
   *
   * @param matrix what they have in common
   * @param members their indices in the list that they were taken from
   */
  public MatrixBatch {
    members = List.copyOf(members);
  }

  /**
   * Puts equal ones together, as many as the workspace has room for.
   *
   * @param matrices of one arithmetic
   * @return the batches
   * @throws IllegalArgumentException if one has 2^31 elements or more
   */
  public static List<MatrixBatch> of(List<Matrix> matrices) {
    Map<Matrix, List<Integer>> equal = new LinkedHashMap<>();
    for (int i = 0; i < matrices.size(); i++) {
      Matrix matrix = matrices.get(i);
      long elements = matrix.rows * matrix.columns;
      if (elements > Integer.MAX_VALUE - 8) {
        throw Arguments.refusal(
            "a matrix",
            matrix.rows + " x " + matrix.columns,
            "of fewer than 2^31 elements for a rule of matrices",
            "put the parameter in a group under AdamW");
      }
      equal.computeIfAbsent(matrix, key -> new ArrayList<>()).add(i);
    }
    List<MatrixBatch> batches = new ArrayList<>();
    equal.forEach(
        (matrix, members) -> {
          int most = (int) Math.max(1, WORKSPACE / matrix.workspace());
          for (int from = 0; from < members.size(); from += most) {
            int to = Math.min(members.size(), from + most);
            batches.add(new MatrixBatch(matrix, members.subList(from, to)));
          }
        });
    return batches;
  }

  /**
   * Elements of the matrices.
   *
   * @return of all of them
   */
  public long elements() {
    return members.size() * matrix.rows * matrix.columns;
  }

  /**
   * Elements of the squares of the matrices' height.
   *
   * @return one square each
   */
  public long squares() {
    return (long) members.size() * matrix.height() * matrix.height();
  }
}
