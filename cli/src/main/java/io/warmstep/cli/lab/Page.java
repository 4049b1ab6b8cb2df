package io.warmstep.cli.lab;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;

/** The page: one file with everything in it, so that it works from disk and without a network. */
final class Page {
  private static final String D3 = "META-INF/resources/webjars/d3/7.9.0/";

  private Page() {}

  /**
   * Puts the page together.
   *
   * @param lab lab.json
   * @param timings timings.json
   */
  static String of(String lab, String timings) throws IOException {
    return resource("page.html")
        .replace("/*CSS*/", resource("page.css"))
        .replace("/*D3*/", script(d3("dist/d3.min.js")))
        .replace("/*PLOT*/", script(resource("plot/plot.umd.min.js")))
        .replace("/*JS*/", script(resource("page.js")))
        .replace("/*LICENCES*/", licences())
        .replace("/*LAB*/", json(lab))
        .replace("/*TIMINGS*/", json(timings));
  }

  private static String licences() throws IOException {
    return text("D3 7.9.0\n\n" + d3("LICENSE"))
        + "\n\n"
        + text("Observable Plot 0.6.17\n\n" + resource("plot/LICENSE"));
  }

  /** In a script nothing may look like its end. */
  private static String script(String code) {
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--");
  }

  private static String json(String json) {
    return json.replace("<", "\\u003c");
  }

  private static String text(String plain) {
    return plain.replace("&", "&amp;").replace("<", "&lt;");
  }

  private static String resource(String name) throws IOException {
    try (InputStream in = Page.class.getResourceAsStream(name)) {
      return read(in, name);
    }
  }

  /** Of another jar, which may be a module: a class finds only what is in its own. */
  private static String d3(String name) throws IOException {
    try (InputStream in = Page.class.getClassLoader().getResourceAsStream(D3 + name)) {
      return read(in, D3 + name);
    }
  }

  private static String read(InputStream in, String name) throws IOException {
    if (in == null) {
      throw new NoSuchFileException(name, null, "missing from the class path");
    }
    return new String(in.readAllBytes(), StandardCharsets.UTF_8);
  }
}
