package io.warmstep.cli.data;

import java.io.IOException;

/** A data file that does not have the expected form; says the file, the line and what is wrong. */
public final class DataFormatException extends IOException {
  private static final long serialVersionUID = 1L;

  /** The file, as the user knows it. */
  private final String file;

  /** The line, counted from 1. */
  private final long line;

  /**
   * Describes a malformed line.
   *
   * @param file the file, as the user knows it
   * @param line the line, counted from 1
   * @param problem what is wrong and what was expected
   */
  public DataFormatException(String file, long line, String problem) {
    super(file + ", line " + line + ": " + problem);
    this.file = file;
    this.line = line;
  }

  /**
   * Returns the file that is malformed.
   *
   * @return the file, as the user knows it
   */
  public String file() {
    return file;
  }

  /**
   * Returns the line that is malformed.
   *
   * @return the line, counted from 1
   */
  public long line() {
    return line;
  }
}
