package io.warmstep.cli.verify;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A file of optimizer trajectories: tensors with their starting values, gradient sequences, and for
 * each case the parameters and the state that the reference had after some of the steps. There are
 * two formats: one tensor, whose values lie in the file's {@code initial}, or several with names
 * and shapes.
 *
 * @param tensors by name; a file of one tensor calls it {@code p}
 * @param cases the trajectories
 */
public record GoldenFile(Map<String, Start> tensors, List<Case> cases) {
  /**
   * Where a tensor starts.
   *
   * @param shape the lengths of its dimensions, outermost first
   * @param values one for each element
   */
  public record Start(long[] shape, double[] values) {}

  /**
   * One trajectory.
   *
   * @param name such as {@code adam/amsgrad}
   * @param optimizer the reference's class, such as PyTorch's {@code Adam}
   * @param rule the rule that computes the same, or null if it has the class's name
   * @param hyper the reference's hyperparameters where they differ from its defaults: numbers,
   *     booleans, texts, null for none, and lists of these
   * @param learningRate the rate, which may be the reference's default; NaN if the file has none
   * @param tensors the names of the parameters, in their order
   * @param gradients by tensor, the gradient of each step
   * @param clipNorm the norm that gradients are clipped to before each step, or 0
   * @param clipValue the value that they are clipped to, or 0
   * @param errors what an element's error is relative to
   * @param snapshots what the reference had, in the order of the steps
   */
  public record Case(
      String name,
      String optimizer,
      String rule,
      Map<String, Object> hyper,
      double learningRate,
      List<String> tensors,
      Map<String, double[][]> gradients,
      double clipNorm,
      double clipValue,
      RelativeTo errors,
      List<Snapshot> snapshots) {}

  /** What errors are relative to. */
  public enum RelativeTo {
    /**
     * The largest magnitude that the element has had so far. A value that passes through zero keeps
     * the rounding errors of its way there, so that its own would say nothing.
     */
    ELEMENT,
    /** The largest magnitude that any element of the tensor has had so far. */
    TENSOR
  }

  /**
   * What the reference had after a step.
   *
   * @param step the step, from 1
   * @param parameters by tensor
   * @param evaluated the parameters for evaluation by tensor, if the optimizer distinguishes them;
   *     otherwise empty
   * @param state of each element by tensor, then by the reference's names
   * @param numbers what the reference keeps once for a tensor, likewise; without the count of steps
   */
  public record Snapshot(
      int step,
      Map<String, double[]> parameters,
      Map<String, double[]> evaluated,
      Map<String, Map<String, double[]>> state,
      Map<String, Map<String, Double>> numbers) {}

  /**
   * Reads a file.
   *
   * @param path the file
   * @return its contents
   * @throws IOException if it cannot be read
   * @throws IllegalArgumentException if it is not a golden file; the message says where
   */
  public static GoldenFile read(Path path) throws IOException {
    return GoldenParser.read(path);
  }
}
