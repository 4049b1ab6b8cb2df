package io.warmstep;

/**
 * A named parameter with its gradient.
 *
 * @param name unique within its {@link Parameters}
 * @param values the parameter, updated by steps
 * @param gradients of the same type and length; the pipeline writes it before each step
 */
public record Parameter(String name, Tensor values, Tensor gradients) {
  /**
   * Count of elements.
   *
   * @return 0 or more
   */
  public long length() {
    return values.length();
  }
}
