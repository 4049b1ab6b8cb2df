package io.warmstep.rule;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * State that a rule keeps between steps.
 *
 * @param name PyTorch's name for it, such as {@code exp_avg}
 * @param initialValue its value before the first step, unless that is a copy of the parameter
 * @param extent the units that each have a value
 * @param content the kind of content, which determines its initial value and whether it may be
 *     stored in fewer bits
 */
public record StateSlot(String name, double initialValue, Extent extent, Content content) {
  /** The kind of content of a slot. */
  public enum Content {
    /** Values whose low bits matter, such as a sum that only grows. */
    EXACT,
    /** The same, but it starts as a copy of the parameter's value at its first step. */
    COPY,
    /** A running average of either sign, which may be stored in fewer bits. */
    MOMENT,
    /**
     * A running average of squares or magnitudes, never negative, which may be stored in fewer
     * bits.
     */
    SQUARE
  }

  /** The units that each have a value. */
  public enum Extent {
    /** Each element. */
    ELEMENT,
    /** Each parameter: its state has a single element. */
    TENSOR,
    /** All parameters of a group together, which share a single element. */
    GROUP,
    /**
     * Each element of a parameter with fewer than two dimensions. Others have row and column slots
     * instead.
     */
    VECTOR,
    /**
     * Each row of the matrices that the last two dimensions of a parameter with two or more form.
     */
    ROW,
    /** Each column of these matrices. */
    COLUMN,
    /** Each element, from one phase of a step to the next: scratch space, not state. */
    SCRATCH
  }

  /**
   * Checks the values.
   *
   * @param name PyTorch's name for it
   * @param initialValue its value before the first step, unless that is a copy of the parameter
   * @param extent the units that each have a value
   * @param content the kind of content
   */
  public StateSlot {
    Objects.requireNonNull(extent, "extent");
    Objects.requireNonNull(content, "content");
  }

  /**
   * A slot whose low bits matter.
   *
   * @param name PyTorch's name for it
   * @param initialValue its value before the first step
   * @param extent the units that each have a value
   */
  public StateSlot(String name, double initialValue, Extent extent) {
    this(name, initialValue, extent, Content.EXACT);
  }

  /**
   * A running average of either sign, per element, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot moment(String name) {
    return new StateSlot(name, 0.0, Extent.ELEMENT, Content.MOMENT);
  }

  /**
   * A running average of squares or magnitudes, per element, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot square(String name) {
    return new StateSlot(name, 0.0, Extent.ELEMENT, Content.SQUARE);
  }

  /**
   * A slot with a value per element.
   *
   * @param name PyTorch's name for it
   * @param initialValue every element's value before the first step
   */
  public StateSlot(String name, double initialValue) {
    this(name, initialValue, Extent.ELEMENT);
  }

  /**
   * A slot with a value per element that starts at zero.
   *
   * @param name PyTorch's name for it
   */
  public StateSlot(String name) {
    this(name, 0.0);
  }

  /**
   * A slot with one value per parameter, which starts at zero. A rule's element slots come before
   * its parameter slots.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofTensor(String name) {
    return new StateSlot(name, 0.0, Extent.TENSOR);
  }

  /**
   * A slot with one value for all parameters of a group. A rule's element slots come before its
   * group slots.
   *
   * @param name the reference's name for it
   * @param initialValue its value before the first step
   * @return the slot
   */
  public static StateSlot ofGroup(String name, double initialValue) {
    return new StateSlot(name, initialValue, Extent.GROUP);
  }

  /**
   * Whether it holds one value for many elements.
   *
   * @return true for slots of parameters and of groups
   */
  public boolean isOneValue() {
    return extent == Extent.TENSOR || extent == Extent.GROUP;
  }

  /**
   * A slot with a value per element that starts as a copy of the parameter's value at its first
   * step.
   *
   * @param name the reference's name for it
   * @return the slot
   */
  public static StateSlot copyOfParameter(String name) {
    return new StateSlot(name, 0.0, Extent.ELEMENT, Content.COPY);
  }

  /**
   * Whether it holds a copy of the parameter before the first step.
   *
   * @return true if so
   */
  public boolean copiesParameter() {
    return content == Content.COPY;
  }

  /**
   * Whether it may be stored in fewer bits than the arithmetic type has.
   *
   * @return true for running averages
   */
  public boolean isAverage() {
    return content == Content.MOMENT || content == Content.SQUARE;
  }

  /**
   * Scratch space with a value per element that one phase of a step leaves to the next. It is not
   * part of the state, and is listed among the element slots.
   *
   * @param name its name, for messages
   * @return the slot
   */
  public static StateSlot scratch(String name) {
    return new StateSlot(name, 0.0, Extent.SCRATCH);
  }

  /**
   * Whether the slot is part of the state, and so in checkpoints.
   *
   * @return false for scratch space
   */
  public boolean isState() {
    return extent != Extent.SCRATCH;
  }

  /**
   * A slot with a value for each element of a parameter with fewer than two dimensions, which
   * starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofVector(String name) {
    return new StateSlot(name, 0.0, Extent.VECTOR);
  }

  /**
   * A slot with a value for each row of a matrix, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofRows(String name) {
    return new StateSlot(name, 0.0, Extent.ROW);
  }

  /**
   * A slot with a value for each column of a matrix, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofColumns(String name) {
    return new StateSlot(name, 0.0, Extent.COLUMN);
  }

  /**
   * Whether it holds a value for each row or each column.
   *
   * @return true for both
   */
  public boolean isFactor() {
    return extent == Extent.ROW || extent == Extent.COLUMN;
  }

  /**
   * Whether parameters of a shape have the slot.
   *
   * @param dimensions number of dimensions of the shape
   * @return false for row and column slots below two dimensions, for vector slots from two on
   */
  public boolean isOf(int dimensions) {
    return extent == Extent.VECTOR ? dimensions < 2 : !isFactor() || dimensions >= 2;
  }

  /**
   * Shape of the state of a parameter that has the slot.
   *
   * @param parameter the parameter's shape
   * @return the same, none for one value, and with a last or last but one length of 1 for rows and
   *     columns
   */
  public List<Long> shape(List<Long> parameter) {
    if (isOneValue()) {
      return List.of();
    }
    List<Long> shape = new ArrayList<>(parameter);
    if (isFactor()) {
      shape.set(shape.size() - (extent == Extent.ROW ? 1 : 2), 1L);
    }
    return shape;
  }

  /**
   * Number of values that a parameter has in the slot.
   *
   * @param parameter the parameter's shape
   * @return the product of {@link #shape}
   */
  public long length(List<Long> parameter) {
    return shape(parameter).stream().reduce(1L, Math::multiplyExact);
  }
}
