package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import java.io.IOException;

/** Data of a file and its destination. */
interface FileCopy {
  /**
   * Copies it.
   *
   * @param reader of the file
   * @throws IOException if it cannot be read
   */
  void run(CheckpointReader reader) throws IOException;
}
