package io.warmstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;

/** What a command gave. */
record CommandRun(int exitCode, String out, String err) {
  /** Runs a command in this process. */
  static CommandRun run(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine commandLine = Main.commandLine();
    commandLine.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    commandLine.setColorScheme(CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.OFF));
    int exitCode = commandLine.execute(arguments);
    return new CommandRun(exitCode, out.toString(), err.toString());
  }

  /** The object that a successful command printed, and nothing else. */
  JsonObject json() {
    assertEquals(0, exitCode, err);
    assertEquals("", err, "nothing but JSON");
    return JsonParser.parseString(out).getAsJsonObject();
  }
}
