package io.warmstep.cli;

import com.google.gson.JsonObject;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.check.Arguments;
import io.warmstep.cli.train.Precision;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** How {@code warmstep train} and {@code bench} store parameters and state. */
final class StoringOptions {
  /** What the library's complaints call the options. */
  private static final Map<String, String> OF_ARGUMENTS =
      Map.of(
          "^masterWeights", "--master",
          "^stateType", "--state",
          "^rounding", "--rounding",
          "^average is", "--average is",
          "^rule is", "--rule is",
          "^parameter \".*\": gradients are", "--gradients is",
          "\\bsmallTensor\\b", "--small-tensor");

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      defaultValue = "float32",
      completionCandidates = NameList.TypeNames.class,
      description =
          "Of parameters and gradients: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}")
  String type = "float32";

  @Option(
      names = "--gradients",
      paramLabel = "TYPE",
      completionCandidates = NameList.TypeNames.class,
      description =
          "Of gradients: float32 with parameters of 16 bits, float16 or bfloat16 with those of"
              + " float32. Default: the parameters'")
  String gradients;

  @Option(
      names = "--master",
      paramLabel = "KIND",
      arity = "0..1",
      defaultValue = "none",
      fallbackValue = "exact",
      completionCandidates = Masters.class,
      description = {
        "What is kept of float16 and bfloat16 parameters so that small updates are not lost:"
            + " ${COMPLETION-CANDIDATES}, of which 24bit is for bfloat16 alone; without a kind"
            + " exact. Default: ${DEFAULT-VALUE}"
      })
  String master = "none";

  @Option(
      names = "--state",
      paramLabel = "TYPE",
      defaultValue = "float32",
      completionCandidates = StateTypes.class,
      description = {
        "Of the moments of all but small tensors: ${COMPLETION-CANDIDATES}. Default:"
            + " ${DEFAULT-VALUE}"
      })
  String state = "float32";

  @Option(
      names = "--small-tensor",
      paramLabel = "N",
      defaultValue = "" + Precision.SMALL_TENSOR,
      description =
          "Tensors of fewer elements than this have their state in float32. Default:"
              + " ${DEFAULT-VALUE}")
  long smallTensor = Precision.SMALL_TENSOR;

  @Option(
      names = "--rounding",
      paramLabel = "HOW",
      defaultValue = "nearest",
      completionCandidates = Roundings.class,
      description = {
        "To bfloat16, of parameters without a master and of state, of masters to 24bit, and of"
            + " squares to int8:"
            + " ${COMPLETION-CANDIDATES}."
            + " Default: ${DEFAULT-VALUE}"
      })
  String rounding = "nearest";

  @Option(
      names = "--average",
      paramLabel = "D",
      description = {
        "Keep an exponential moving average of the parameters, and evaluate with it: in step t it keeps"
            + " the smaller of D and (1 + t) / (10 + t) of itself. Default: no average"
      })
  Double average;

  Precision toPrecision(long seed) {
    if (average != null) {
      Arguments.require(
          average > 0 && average < 1,
          "--average",
          average,
          "in (0, 1)",
          "leave it out for no average");
    }
    Arguments.requireAtLeast(
        "--small-tensor", smallTensor, 0, "pass 0 for a state type of all tensors");
    if (smallTensor != Precision.SMALL_TENSOR && state.equals("float32")) {
      throw Arguments.refusal(
          "--small-tensor",
          smallTensor,
          Precision.SMALL_TENSOR + ", the default, with --state float32, which it does not change",
          "leave it out, or give --state bfloat16 or int8");
    }
    return new Precision(
        elementType("--dtype", type),
        gradients == null ? elementType("--dtype", type) : elementType("--gradients", gradients),
        choice("--master", master, MasterWeights.values()),
        choice("--state", state, StateType.values()),
        smallTensor,
        choice("--rounding", rounding, Rounding.values()),
        seed,
        average == null ? 0 : average);
  }

  private static ElementType elementType(String option, String given) {
    return Options.named(
        "unknown element type.*: use",
        option + " is '" + given + "', must be",
        () -> ElementType.parse(given));
  }

  /**
   * Tries to make an optimizer, whose complaints name the options.
   *
   * @return what it was made with
   */
  Precision tried(Consumer<Precision> maker, long seed) {
    Precision precision = toPrecision(seed);
    Supplier<Precision> trial =
        () -> {
          maker.accept(precision);
          return precision;
        };
    for (Map.Entry<String, String> argument : OF_ARGUMENTS.entrySet()) {
      Supplier<Precision> inner = trial;
      trial = () -> Options.renamed(argument.getKey(), argument.getValue(), inner);
    }
    return trial.get();
  }

  /** Such as {@code , bfloat16 with exact masters}; empty if all is float32. */
  String text() {
    StringBuilder text = new StringBuilder();
    boolean hasOthers = gradients != null && !gradients.equals(type);
    if (!type.equals("float32") || hasOthers) {
      text.append(", ").append(type);
    }
    if (hasOthers) {
      text.append(", ").append(gradients).append(" gradients");
    }
    if (!master.equals("none")) {
      text.append(" with ").append(master).append(" masters");
    }
    if (!state.equals("float32")) {
      text.append(", ").append(state).append(" state");
    }
    if (smallTensor != Precision.SMALL_TENSOR) {
      text.append(", float32 below ").append(smallTensor).append(" elements");
    }
    if (!rounding.equals("nearest")) {
      text.append(", ").append(rounding).append(" rounding");
    }
    if (average != null) {
      text.append(", averaged by ").append(average);
    }
    return text.toString();
  }

  private static <T> T choice(String option, String given, T[] choices) {
    for (T choice : choices) {
      if (choice.toString().equals(given)) {
        return choice;
      }
    }
    throw new IllegalArgumentException(
        String.format(
            Locale.ROOT,
            "%s is '%s', must be one of %s",
            option,
            given,
            Arrays.stream(choices).map(String::valueOf).collect(Collectors.joining(", "))));
  }

  void addTo(JsonObject json) {
    json.addProperty("dtype", type);
    json.addProperty("gradients", gradients == null ? type : gradients);
    json.addProperty("master", master);
    json.addProperty("state", state);
    json.addProperty("small_tensor", smallTensor);
    json.addProperty("rounding", rounding);
    json.addProperty("average", average);
  }

  /** Names for the help text. */
  static final class Masters extends NameList {
    Masters() {
      super(Arrays.stream(MasterWeights.values()).map(MasterWeights::toString));
    }
  }

  /** Names for the help text. */
  static final class StateTypes extends NameList {
    StateTypes() {
      super(Arrays.stream(StateType.values()).map(StateType::toString));
    }
  }

  /** Names for the help text. */
  static final class Roundings extends NameList {
    Roundings() {
      super(Arrays.stream(Rounding.values()).map(Rounding::toString));
    }
  }
}
