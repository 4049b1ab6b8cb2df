package io.warmstep.backend.opencl;

import io.warmstep.KernelBuildException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The kernel files in the jar, put together: an OpenCL compiler has no folder to include from. */
final class KernelSource {
  private static final String FOLDER = "/io/warmstep/kernels/";
  private static final Pattern INCLUDE =
      Pattern.compile("^#include (?:\"([^\"]+)\"|(WS_RULE_FILE))$", Pattern.MULTILINE);

  private KernelSource() {}

  /**
   * Loads a file with everything that it includes.
   *
   * @param file such as {@code step.cl}
   * @param rule name of the rule whose header stands for WS_RULE_FILE, or null
   * @throws KernelBuildException if a file is missing, such as a rule's header
   */
  static String load(String file, String rule) {
    Matcher include = INCLUDE.matcher(text(file));
    StringBuilder source = new StringBuilder();
    while (include.find()) {
      String name = include.group(1) == null ? "rules/" + rule + ".h" : include.group(1);
      include.appendReplacement(source, Matcher.quoteReplacement(load(name, rule)));
    }
    return include.appendTail(source).toString();
  }

  private static String text(String file) {
    try (InputStream in = KernelSource.class.getResourceAsStream(FOLDER + file)) {
      if (in == null) {
        throw new KernelBuildException(
            "there is no kernel file "
                + file
                + " in this jar: a rule runs on OpenCL only if it"
                + " has its header there",
            null);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read kernel file " + file, e);
    }
  }
}
