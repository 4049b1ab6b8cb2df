package io.warmstep.cli.data;

import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Reads a file from its beginning to its end and asks nothing else of it, so that it may be a pipe.
 * (Up to Java 17 and some later versions, a pipe's stream fails when asked what is available.)
 */
final class SequentialInput extends BufferedInputStream {
  private static final int GZIP_MAGIC = 0x8B1F;

  SequentialInput(InputStream file) {
    super(
        new FilterInputStream(file) {
          @Override
          public int available() {
            return 0;
          }
        });
  }

  /**
   * Says whether there is more, if need be by waiting for it. A compressed file may have several
   * parts, and the reader of a part asks this to see whether another follows.
   */
  @Override
  public synchronized int available() throws IOException {
    mark(1);
    boolean isAtEnd = read() < 0;
    reset();
    return isAtEnd ? 0 : 1;
  }

  /** Whether what comes next is compressed by gzip. */
  synchronized boolean isCompressed() throws IOException {
    mark(2);
    int start = read() | read() << Byte.SIZE;
    reset();
    return start == GZIP_MAGIC;
  }
}
