package io.warmstep.cli.text;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Names of files as users give them, in the encoding that the locale says. */
public final class FileNames {
  /** What Java puts in the place of bytes that it cannot decode. */
  private static final char UNDECODABLE = '\uFFFD';

  private FileNames() {}

  /**
   * Says why no file of a name can be found, if the name itself is the reason.
   *
   * @param name what the user gave
   * @return what is wrong with it and what to do, or an empty text
   */
  public static String problem(String name) {
    if (name.indexOf(UNDECODABLE) >= 0) {
      return unencodable();
    }
    if (isPath(name)) {
      return "";
    }
    return name.indexOf('\0') >= 0 ? "which cannot be a file" : unencodable();
  }

  private static boolean isPath(String name) {
    try {
      return Path.of(name) != null;
    } catch (InvalidPathException e) {
      return false;
    }
  }

  private static String unencodable() {
    String encoding = System.getProperty("sun.jnu.encoding", "unknown");
    return "which is not in the encoding of file names, "
        + encoding
        + (encoding.equals("UTF-8")
            ? ": rename the file"
            : ": set LC_ALL to a locale with UTF-8, such as C.UTF-8");
  }
}
