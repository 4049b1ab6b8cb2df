package io.warmstep.cli;

import io.warmstep.cli.text.Failures;
import io.warmstep.cli.text.FileNames;
import io.warmstep.cli.text.ProgramVersion;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The command line's entry: {@code warmstep COMMAND [OPTIONS]}. */
@Command(
    name = "warmstep",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    description = "Optimizer steps for neural-network training on the JVM.",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:success",
      "1:the command failed, or a verification did not pass",
      "2:the command line is wrong"
    },
    footer = {"", "Run 'warmstep COMMAND --help' for a command's options."},
    subcommands = {
      TrainCommand.class,
      LrFindCommand.class,
      LabCommand.class,
      DevicesCommand.class,
      VerifyCommand.class,
      BenchCommand.class,
      MeasureCommand.class,
      InspectCommand.class,
      CommandLine.HelpCommand.class
    })
public final class Main implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = {"-v", "--verbose"},
      scope = ScopeType.INHERIT,
      description = "Show the stack trace of an error.")
  private boolean verbose;

  /** The jar's version. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
        "warmstep " + ProgramVersion.ofJar().orElse("(not run from its jar)"),
        "Java ${java.version} (${java.vendor}), ${os.name} ${os.arch}"
      };
    }
  }

  /**
   * Runs a command and ends the process with its exit code.
   *
   * @param arguments the command and its options
   */
  public static void main(String[] arguments) {
    int exitCode;
    // For what libraries write: the progress bar, help texts, the axes of plots.
    Locale.setDefault(Locale.ROOT);
    try {
      exitCode = commandLine().execute(arguments);
    } catch (OutOfMemoryError e) {
      System.err.println("warmstep: not enough memory; WARMSTEP_JAVA_OPTS=-Xmx8g allows 8 GiB");
      exitCode = 1;
    }
    // Java's print streams keep a failure to themselves until asked: a full disk, a closed pipe.
    if (System.out.checkError()) {
      System.err.println("warmstep: standard output cannot be written: what was printed is lost");
      exitCode = exitCode == 0 ? 1 : exitCode;
    }
    System.exit(exitCode);
  }

  /**
   * Creates the command line.
   *
   * @return a command line to execute once
   */
  public static CommandLine commandLine() {
    Main main = new Main();
    CommandLine commandLine = new CommandLine(main);
    commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    commandLine.setUsageHelpAutoWidth(true);
    commandLine.setUsageHelpLongOptionsMaxWidth(34);
    // The order in which they are declared: picocli would sort them as the user's language does.
    commandLine
        .getSubcommands()
        .values()
        .forEach(command -> command.getCommandSpec().usageMessage().sortSynopsis(false));
    commandLine.setParameterExceptionHandler(Main::usageError);
    commandLine.setExecutionExceptionHandler((e, at, parsed) -> main.failure(e, at));
    return commandLine;
  }

  /** Without a command: shows what there is. */
  @Override
  public void run() {
    throw new CommandLine.ParameterException(spec.commandLine(), "a command is missing");
  }

  private static int usageError(CommandLine.ParameterException e, String[] arguments) {
    CommandLine at = e.getCommandLine();
    PrintWriter err = at.getErr();
    err.println(at.getColorScheme().errorText("warmstep: " + describe(e)));
    CommandLine.UnmatchedArgumentException.printSuggestions(e, err);
    err.println("Try '" + at.getCommandSpec().qualifiedName() + " --help'.");
    return at.getCommandSpec().exitCodeOnInvalidInput();
  }

  /** An option's value of the wrong kind, in the form of all other messages about options. */
  private static String describe(CommandLine.ParameterException e) {
    if (!(e.getArgSpec() instanceof CommandLine.Model.OptionSpec option) || e.getValue() == null) {
      return e.getMessage();
    }
    Class<?> type = option.isMultiValue() ? option.auxiliaryTypes()[0] : option.type();
    String expected;
    if (type == double.class || type == Double.class) {
      expected = option.isMultiValue() ? "numbers" : "a number";
    } else if (type == int.class || type == Integer.class || type == long.class) {
      expected = option.isMultiValue() ? "whole numbers" : "a whole number";
      if (e.getValue().matches("[+-]?[0-9]+")) {
        expected += " up to " + (type == long.class ? Long.MAX_VALUE : Integer.MAX_VALUE);
      }
    } else if (type == Path.class) {
      expected = FileNames.problem(e.getValue());
      return String.format(
          Locale.ROOT, "%s is '%s', %s", option.longestName(), e.getValue(), expected);
    } else {
      return e.getMessage();
    }
    return String.format(
        Locale.ROOT, "%s is '%s', must be %s", option.longestName(), e.getValue(), expected);
  }

  private int failure(Exception e, CommandLine at) {
    PrintWriter err = at.getErr();
    err.println(at.getColorScheme().errorText("warmstep: " + describe(e)));
    if (verbose) {
      e.printStackTrace(err);
    } else if (!isExpected(e)) {
      err.println("This looks like a bug; --verbose shows where it happened.");
    }
    err.flush();
    return at.getCommandSpec().exitCodeOnExecutionException();
  }

  /** Exceptions whose message says what to do, as opposed to a fault in this program. */
  private static boolean isExpected(Exception e) {
    return (e.getMessage() != null || e instanceof IOException)
        && !(e instanceof NullPointerException)
        && !(e instanceof IndexOutOfBoundsException)
        && !(e instanceof ClassCastException);
  }

  private static String describe(Exception e) {
    return isExpected(e) || e.getMessage() == null
        ? Failures.describe(e)
        : e.getClass().getSimpleName() + ": " + e.getMessage();
  }
}
