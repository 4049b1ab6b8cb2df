package io.warmstep.cli.verify;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * A file of optimizer trajectories: tensors with their starting values, gradient sequences, and for
 * each case the parameters and the state that the reference had after some of the steps. There are
 * two formats: one tensor, whose values lie in the file's {@code initial}, or several with names
 * and shapes.
 *
 * @param cases the trajectories
 */
public record GoldenFile(List<Case> cases) {
  /**
   * One trajectory. It is read when it is asked for: what cannot be read of one case, or of a
   * stream or a tensor that it uses, ends no other.
   */
  public interface Case {
    /**
     * Returns the name.
     *
     * @return such as {@code adam/amsgrad}; such as {@code case 3} if the file has none
     */
    String name();

    /**
     * Reads what computed it.
     *
     * @return the reference's optimizer
     * @throws IllegalArgumentException if it cannot be read; the message says what
     */
    Reference reference();

    /**
     * Reads what was computed.
     *
     * @return the steps
     * @throws IllegalArgumentException if they cannot be read; the message says what
     */
    Trajectory trajectory();
  }

  /**
   * The optimizer of a case. Hyperparameters are numbers, booleans, texts, null for none, and lists
   * and maps of these.
   *
   * @param optimizer the reference's class, such as PyTorch's {@code Adam}
   * @param rule the rule that computes the same, or null if it has the class's name
   * @param hyper the hyperparameters where they differ from the reference's defaults
   * @param defaults the reference's defaults as far as the file has them
   */
  public record Reference(
      String optimizer, String rule, Map<String, Object> hyper, Map<String, Object> defaults) {}

  /**
   * The steps of a case.
   *
   * @param tensors by name, in the order of the parameters; a file of one tensor calls it {@code p}
   * @param clipNorm the norm that gradients are clipped to before each step
   * @param clipValue the value that they are clipped to
   * @param errors what an element's error is relative to
   * @param snapshots what the reference had, in the order of the steps
   */
  public record Trajectory(
      Map<String, Start> tensors,
      OptionalDouble clipNorm,
      OptionalDouble clipValue,
      RelativeTo errors,
      List<Snapshot> snapshots) {}

  /**
   * Where a tensor starts and what moves it.
   *
   * @param shape the lengths of its dimensions, outermost first; of PyTorch's tensors without
   *     dimensions one of length 1
   * @param values one for each element
   * @param gradients of each step
   */
  public record Start(long[] shape, double[] values, double[][] gradients) {}

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
   * What the reference had after a step. A number is a list of one.
   *
   * @param step the step, from 1
   * @param parameters by tensor
   * @param evaluated the parameters for evaluation by tensor, if the optimizer distinguishes them;
   *     otherwise empty
   * @param state by tensor, then by the reference's names; without what it has not yet (null)
   * @param group what it keeps once for all tensors, by its names
   * @param other names of what else lies beside the state: booleans and texts, and lists of a group
   */
  public record Snapshot(
      int step,
      Map<String, double[]> parameters,
      Map<String, double[]> evaluated,
      Map<String, Map<String, double[]>> state,
      Map<String, double[]> group,
      Set<String> other) {}

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
