package io.warmstep.backend;

/**
 * A place in the order of what a device was asked, so that what comes before it can be used without
 * waiting for what comes after. Used by one thread at a time.
 */
public interface Mark extends AutoCloseable {
  /** Of a device that has done everything by the time a call returns. */
  Mark ALWAYS_REACHED =
      new Mark() {
        @Override
        public void set() {}

        @Override
        public boolean isReached() {
          return true;
        }

        @Override
        public void await() {}

        @Override
        public void close() {}
      };

  /** Marks the end of what the device was asked so far, in place of the former mark. */
  void set();

  /**
   * Whether the device has done all that comes before the mark. Waits for nothing.
   *
   * @return true if so, or if it failed before, which the next read reports
   */
  boolean isReached();

  /** Waits until the device has done all that comes before the mark, and for nothing after it. */
  void await();

  /** Releases the mark. A second call does nothing. */
  @Override
  void close();
}
