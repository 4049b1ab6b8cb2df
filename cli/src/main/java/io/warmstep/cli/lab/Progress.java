package io.warmstep.cli.lab;

/** Hears how far the lab is. */
public interface Progress {
  /**
   * Something new begins.
   *
   * @param what in a few words, such as {@code range test}
   */
  void begin(String what);

  /**
   * Steps were done. Called by several threads.
   *
   * @param steps how many
   */
  void advance(int steps);
}
