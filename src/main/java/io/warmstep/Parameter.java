package io.warmstep;

import java.util.List;

/**
 * A named parameter with its gradient.
 *
 * @param name unique within its {@link Parameters}
 * @param values the parameter, updated by steps
 * @param gradients of the same length, and of the same type unless {@link
 *     ParametersBuilder#gradientType} says otherwise; the pipeline writes it before each step
 * @param shape the lengths of its dimensions, outermost first; one, the number of elements, unless
 *     {@link ParametersBuilder#shape} says otherwise. Elements lie in row-major order. Elementwise
 *     rules ignore it
 */
public record Parameter(String name, Tensor values, Tensor gradients, List<Long> shape) {
  /**
   * Copies the list.
   *
   * @param name unique within its {@link Parameters}
   * @param values the parameter, updated by steps
   * @param gradients of the same length, and of the same type unless {@link
   *     ParametersBuilder#gradientType} says otherwise; the pipeline writes it before each step
   * @param shape the lengths of its dimensions, outermost first
   */
  public Parameter {
    shape = List.copyOf(shape);
  }

  /**
   * Number of elements.
   *
   * @return 0 or more
   */
  public long length() {
    return values.length();
  }
}
