package io.warmstep;

/**
 * Where what an optimizer has of a parameter lies in the whole of it.
 *
 * @param from number of its first element there
 * @param whole how many elements the whole has
 */
record Place(long from, long whole) {
  /** Of a parameter that an optimizer has all of. */
  static Place ofAll(Parameter parameter) {
    return new Place(0, parameter.length());
  }
}
