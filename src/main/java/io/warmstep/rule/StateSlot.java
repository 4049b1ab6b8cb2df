package io.warmstep.rule;

import java.util.Objects;

/**
 * Something that a rule remembers between steps.
 *
 * @param name PyTorch's name for it, such as {@code exp_avg}
 * @param initialValue what it holds before the first step
 * @param extent what has a value of its own
 */
public record StateSlot(String name, double initialValue, Extent extent) {
  /** What has a value of its own. */
  public enum Extent {
    /** Each element. */
    ELEMENT,
    /** Each parameter: its state has a single element. */
    TENSOR,
    /** Each element, from one phase of a step to the next: room to work in, and no state. */
    SCRATCH
  }

  /**
   * Checks.
   *
   * @param name PyTorch's name for it
   * @param initialValue what it holds before the first step
   * @param extent what has a value of its own
   */
  public StateSlot {
    Objects.requireNonNull(extent, "extent");
  }

  /**
   * A slot of each element.
   *
   * @param name PyTorch's name for it
   * @param initialValue what every element holds before the first step
   */
  public StateSlot(String name, double initialValue) {
    this(name, initialValue, Extent.ELEMENT);
  }

  /**
   * A slot of each element that starts at zero.
   *
   * @param name PyTorch's name for it
   */
  public StateSlot(String name) {
    this(name, 0.0);
  }

  /**
   * A slot of each parameter as a whole, which starts at zero. A rule's slots of elements come
   * before those of parameters.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofTensor(String name) {
    return new StateSlot(name, 0.0, Extent.TENSOR);
  }

  /**
   * Room for a value of each element that a phase of a step leaves to the next. It is no part of
   * the state, and stands among the slots of elements.
   *
   * @param name what it is, for messages
   * @return the slot
   */
  public static StateSlot scratch(String name) {
    return new StateSlot(name, 0.0, Extent.SCRATCH);
  }

  /**
   * Whether the slot is part of the state: what a checkpoint has.
   *
   * @return false for room to work in
   */
  public boolean isState() {
    return extent != Extent.SCRATCH;
  }

  /**
   * How many values a parameter has.
   *
   * @param elements of the parameter
   * @return as many, or 1
   */
  public long length(long elements) {
    return extent == Extent.TENSOR ? 1 : elements;
  }
}
