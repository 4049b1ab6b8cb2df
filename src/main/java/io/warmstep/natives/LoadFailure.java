package io.warmstep.natives;

import io.warmstep.WarmstepException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What keeps a binding's native library from being loaded. JCuda and JOCL try twice and put the
 * stack traces of both into one message, whose first line says nothing of the cause; and whoever
 * comes second gets a NoClassDefFoundError that has the first failure as its cause.
 */
public final class LoadFailure {
  private static final Pattern DENIED =
      Pattern.compile(
          "Illegal native access from:? (?:an unnamed |unnamed )?module(?: ([\\w.]+))?");

  /** A class of the JDK's that is missing, by its internal name. */
  private static final Pattern MISSING_CLASS =
      Pattern.compile("NoClassDefFoundError: ((?:java|javax|jdk|sun)/[\\w/$]+)");

  /** What the dynamic linker says of a file that must not be executed. */
  private static final Pattern NOT_MAPPED =
      Pattern.compile("(\\S+: failed to map segment from shared object.*)");

  private static final Pattern NO_SPACE =
      Pattern.compile("(No space left on device|Disk quota exceeded)");

  /** A line of a stack trace that names what was thrown. */
  private static final Pattern THROWN =
      Pattern.compile("(?m)^\\s*(?:Caused by: |Suppressed: )?[\\w.$]+(?:Error|Exception): (.+)$");

  private LoadFailure() {}

  /**
   * The reason, if it lies in how Java was started, in its modules or in its temporary folder, and
   * not in the library.
   *
   * @param e what was thrown
   * @param binding whose library it is, such as {@code JCuda}
   * @return the reason and what to do, or nothing if it is another one
   */
  public static Optional<String> reason(Throwable e, String binding) {
    String text = text(e);
    Matcher matcher = DENIED.matcher(text);
    if (matcher.find()) {
      String module = matcher.group(1) == null ? "ALL-UNNAMED" : matcher.group(1);
      return Optional.of(
          "Java was started so that "
              + binding
              + " may not load its native library: add --enable-native-access="
              + module
              + " to its options");
    }
    matcher = MISSING_CLASS.matcher(text);
    if (matcher.find()) {
      String name = matcher.group(1).replace('/', '.');
      return Optional.of(
          "this Java lacks the class "
              + name
              + ", which "
              + binding
              + " needs: make its runtime image with the module that has it"
              + (name.startsWith("java.util.logging.")
                  ? ", jlink --add-modules java.logging"
                  : ""));
    }
    matcher = NOT_MAPPED.matcher(text);
    if (matcher.find()) {
      return Optional.of(
          PrivateNatives.folder()
              + " does not allow execution: "
              + PrivateNatives.OTHER_FOLDER
              + " that does; the dynamic linker says: "
              + matcher.group(1));
    }
    matcher = NO_SPACE.matcher(text);
    if (matcher.find()) {
      return Optional.of(
          PrivateNatives.folder()
              + " has no room for "
              + binding
              + "'s native library ("
              + matcher.group(1)
              + "): make room or "
              + PrivateNatives.OTHER_FOLDER
              + " with some");
    }
    return Optional.empty();
  }

  /**
   * All that was said of a failure, its causes included.
   *
   * @param e what was thrown
   * @return many lines
   */
  public static String text(Throwable e) {
    StringWriter text = new StringWriter();
    e.printStackTrace(new PrintWriter(text, true));
    return text.toString();
  }

  /**
   * The last thing that was thrown on the way: what the dynamic linker, mostly, said of a library.
   *
   * @param e what was thrown
   * @return one line, never empty
   */
  public static String innermost(Throwable e) {
    return THROWN
        .matcher(text(e))
        .results()
        .map(line -> line.group(1))
        .reduce((first, second) -> second)
        .orElseGet(() -> describe(e));
  }

  /**
   * A failure in one line, for messages: of what Warmstep itself throws the message, which says it
   * all; of others the type, too, since their message may be null, or nothing but a name.
   *
   * @param e what was thrown
   * @return never empty
   */
  public static String describe(Throwable e) {
    if (e instanceof WarmstepException || e instanceof NativesUnavailableException) {
      return String.valueOf(e.getMessage());
    }
    if (e.getMessage() == null && e.getCause() != null) {
      return describe(e.getCause());
    }
    return e.toString().lines().findFirst().orElseGet(() -> e.getClass().getName());
  }
}
