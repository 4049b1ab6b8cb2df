package io.warmstep.cli.data;

import java.io.IOException;

/** A data file that does not have the expected form; says the file, the line and what is wrong. */
public final class DataFormatException extends IOException {
  private static final long serialVersionUID = 1L;

  /** The file, as the user knows it. */
  private final String file;

  /** The line, counted from 1, or 0. */
  private final long line;

  /**
   * Describes a malformed file whose fault is in no line of its own.
   *
   * @param file the file, as the user knows it
   * @param problem what is wrong and what was expected
   */
  public DataFormatException(String file, String problem) {
    super(file + ": " + problem);
    this.file = file;
    this.line = 0;
  }

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
   * @return the line, counted from 1, or 0 if the fault is in none alone
   */
  public long line() {
    return line;
  }
}
