package io.warmstep.benchmarks.peers;

import io.warmstep.benchmarks.MatrixSpeed;
import java.util.List;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The multiply-adds per second of a step of Muon, of ND4J's gemm, which is OpenBLAS, and of plain
 * loops, in turns within one run and on one thread: set {@code OMP_NUM_THREADS} to 1, as bin/peers
 * does.
 */
public final class PeerProducts {
  private PeerProducts() {}

  /**
   * Measures.
   *
   * @param arguments rows and columns of the matrix, 1024 unless given
   */
  public static void main(String[] arguments) {
    int rows = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 1024;
    int columns = arguments.length > 1 ? Integer.parseInt(arguments[1]) : rows;
    INDArray left = Nd4j.rand(DataType.FLOAT, rows, columns);
    INDArray right = Nd4j.rand(DataType.FLOAT, columns, rows);
    INDArray product = Nd4j.zeros(DataType.FLOAT, rows, rows);
    MatrixSpeed.measure(
        arguments,
        List.of(
            new MatrixSpeed.Other(
                "ND4J's gemm, " + rows + " x " + columns + " x " + rows,
                (double) rows * columns * rows,
                () -> left.mmuli(right, product))));
  }
}
