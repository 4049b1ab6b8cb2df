package io.warmstep;

/**
 * Where an optimizer's part of a parameter lies in the whole.
 *
 * @param from index of the part's first element in the whole
 * @param whole number of elements of the whole
 */
record Place(long from, long whole) {
  /** The place of a parameter that an optimizer has as a whole. */
  static Place ofAll(Parameter parameter) {
    return new Place(0, parameter.length());
  }
}
