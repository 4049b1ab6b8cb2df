package io.warmstep.step;

/**
 * Hears how far a step has come with the update, of a backend that works on it in the thread that
 * asked for the step: what is updated can then be sent while the rest is not.
 */
public interface UpdateProgress {
  /**
   * Some elements are done: nothing writes them again in this step. Called by the thread that runs
   * the step, with growing numbers, once it is certain that the step happens. A backend need not
   * call it.
   *
   * @param elements how many of the plan's are done, from its first on
   */
  void updated(long elements);
}
