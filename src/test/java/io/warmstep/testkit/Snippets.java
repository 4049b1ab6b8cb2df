package io.warmstep.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.tools.ToolProvider;

/** Code from the documentation, compiled against the tests' class path. */
public final class Snippets {
  private Snippets() {}

  /**
   * Compiles a class, or fails with what the compiler says.
   *
   * @param folder receives the source and the class
   * @param name of the class
   * @param code the whole source file
   */
  public static void compile(Path folder, String name, String code) throws IOException {
    Path source = Files.writeString(folder.resolve(name + ".java"), code);
    ByteArrayOutputStream problems = new ByteArrayOutputStream();
    int failed =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                problems,
                "-d",
                folder.toString(),
                "-classpath",
                System.getProperty("java.class.path"),
                source.toString());
    assertEquals(0, failed, problems.toString(StandardCharsets.UTF_8));
  }
}
