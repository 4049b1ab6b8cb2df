package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import java.io.IOException;

/** Something of a file and where it goes. */
interface FileCopy {
  /**
   * Copies it.
   *
   * @param reader of the file
   * @throws IOException if it cannot be read
   */
  void run(CheckpointReader reader) throws IOException;
}
