package io.warmstep.rule;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * Something that a rule remembers between steps.
 *
 * @param name PyTorch's name for it, such as {@code exp_avg}
 * @param initialValue what it holds before the first step, unless that is a copy of the parameter
 * @param extent what has a value of its own
 * @param content what it is, which says how it begins and whether fewer bits than the arithmetic's
 *     will do
 */
public record StateSlot(String name, double initialValue, Extent extent, Content content) {
  /** What a slot is. */
  public enum Content {
    /** Something whose low bits count, such as a sum that only grows. */
    EXACT,
    /** The same, but it begins as a copy of the parameter, as that is in its first step. */
    COPY,
    /** A running average of either sign, which may be stored in fewer bits. */
    MOMENT,
    /** A running average of squares or magnitudes, never negative, which may be so too. */
    SQUARE
  }

  /** What has a value of its own. */
  public enum Extent {
    /** Each element. */
    ELEMENT,
    /** Each parameter: its state has a single element. */
    TENSOR,
    /** All parameters of a group together: their state is one and the same element. */
    GROUP,
    /**
     * Each element of a parameter of fewer than two dimensions. Others have slots of rows and of
     * columns in its place.
     */
    VECTOR,
    /** Each row of the matrices that a parameter of two dimensions or more has in its last two. */
    ROW,
    /** Each column of these. */
    COLUMN,
    /** Each element, from one phase of a step to the next: room to work in, and no state. */
    SCRATCH
  }

  /**
   * Checks.
   *
   * @param name PyTorch's name for it
   * @param initialValue what it holds before the first step, unless that is a copy of the parameter
   * @param extent what has a value of its own
   * @param content what it is
   */
  public StateSlot {
    Objects.requireNonNull(extent, "extent");
    Objects.requireNonNull(content, "content");
  }

  /**
   * A slot whose low bits count.
   *
   * @param name PyTorch's name for it
   * @param initialValue what it holds before the first step
   * @param extent what has a value of its own
   */
  public StateSlot(String name, double initialValue, Extent extent) {
    this(name, initialValue, extent, Content.EXACT);
  }

  /**
   * A running average of either sign, of each element, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot moment(String name) {
    return new StateSlot(name, 0.0, Extent.ELEMENT, Content.MOMENT);
  }

  /**
   * A running average of squares or magnitudes, of each element, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot square(String name) {
    return new StateSlot(name, 0.0, Extent.ELEMENT, Content.SQUARE);
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
   * A slot of all parameters of a group together. A rule's slots of elements come before those of
   * groups.
   *
   * @param name the reference's name for it
   * @param initialValue what it holds before the first step
   * @return the slot
   */
  public static StateSlot ofGroup(String name, double initialValue) {
    return new StateSlot(name, initialValue, Extent.GROUP);
  }

  /**
   * Whether it holds one value for many elements.
   *
   * @return true of slots of parameters and of groups
   */
  public boolean isOneValue() {
    return extent == Extent.TENSOR || extent == Extent.GROUP;
  }

  /**
   * A slot of each element that starts as a copy of the parameter, as that is in its first step.
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
   * Whether fewer bits than the arithmetic's will do.
   *
   * @return true of running averages
   */
  public boolean isAverage() {
    return content == Content.MOMENT || content == Content.SQUARE;
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
   * A slot of each element of a parameter of fewer than two dimensions, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofVector(String name) {
    return new StateSlot(name, 0.0, Extent.VECTOR);
  }

  /**
   * A slot of each row of a matrix, which starts at zero.
   *
   * @param name PyTorch's name for it
   * @return the slot
   */
  public static StateSlot ofRows(String name) {
    return new StateSlot(name, 0.0, Extent.ROW);
  }

  /**
   * A slot of each column of a matrix, which starts at zero.
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
   * @return true of both
   */
  public boolean isFactor() {
    return extent == Extent.ROW || extent == Extent.COLUMN;
  }

  /**
   * Whether parameters of a shape have it.
   *
   * @param dimensions how many the shape has
   * @return false of slots of rows and columns below two, of slots of vectors from there on
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
   * How many values a parameter has.
   *
   * @param parameter the parameter's shape
   * @return the product of {@link #shape}
   */
  public long length(List<Long> parameter) {
    return shape(parameter).stream().reduce(1L, Math::multiplyExact);
  }
}
