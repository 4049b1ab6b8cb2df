package io.warmstep.cli.verify;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BiPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Changes of the PTX that change no result: what they look like, and why they do not. */
final class EquivalentMutants {
  /** One kind, told by the mutant and the whole text. */
  private record Kind(String reason, BiPredicate<PtxMutants.Mutant, List<String>> isIt) {}

  private static final List<Kind> KINDS =
      List.of(
          new Kind(
              "the product of two elements of 16 bits is exact in float32",
              (mutant, text) ->
                  mutant.toString().matches("leaves_b?float16 .*SPLIT: .*")
                      || (mutant.entry().matches("leaves_b?float16") && isSquare(mutant))),
          new Kind(
              "the last word of a group is padding, which nobody reads",
              (mutant, text) ->
                  mutant
                      .toString()
                      .matches(
                          "groups_float(32|64) .*SHORT_STORE:"
                              + " .*\\+(32|36|40|44|80|84|88)\\].*")),
          new Kind(
              "a bound is never 0, and other numbers that compare equal have equal bits",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.COMPARED
                      && operands(mutant).stream().anyMatch(operand -> isBound(operand, text, 3))),
          new Kind(
              "of two equal integers, or magnitudes as integers, either is the larger",
              EquivalentMutants::isMaximum),
          new Kind(
              "a product with a power of two is exact, or far below what it is added to",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.ROUNDED_TO_ZERO
                      && mutant.entry().matches("global_norm|leaves_\\w+")
                      && mutant.before().contains("mul.")
                      && operands(mutant).stream().anyMatch(operand -> isPower(operand, text))),
          new Kind(
              "a pass beside the update sets no gradients to zero, and has no other use for them",
              (mutant, text) ->
                  mutant.entry().matches("(lookahead|interpolation)_\\w+")
                      && (isZeroing(mutant, text) || isGradients(mutant))));

  private static final Pattern DEFINED = Pattern.compile("\\s*[\\w.]+\\s+\\{?(%\\w+)[,}].*");
  private static final int GRADIENTS = offset("Tensor<float>, gradients");
  private static final int CLIP_VALUE_FLOAT = offset("StepArguments<float>, clip_value");
  private static final int CLIP_VALUE_DOUBLE = offset("StepArguments<double>, clip_value");

  private EquivalentMutants() {}

  /** Why a mutant changes nothing, if it is known to. */
  static Optional<String> reason(PtxMutants.Mutant mutant, List<String> text) {
    return KINDS.stream()
        .filter(kind -> kind.isIt().test(mutant, text))
        .map(Kind::reason)
        .findFirst();
  }

  private static int offset(String field) {
    try {
      Matcher line =
          Pattern.compile("(?m)^WS_AT\\(" + Pattern.quote(field) + ", (\\d+)\\);")
              .matcher(Files.readString(Path.of("kernels/abi.h")));
      if (!line.find()) {
        throw new AssertionError("kernels/abi.h has no offset of " + field);
      }
      return Integer.parseInt(line.group(1));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What an instruction reads, without what it writes. */
  private static List<String> operands(PtxMutants.Mutant mutant) {
    String[] all = mutant.before().strip().replaceFirst("^\\S+\\s+", "").split("[,;]\\s*");
    return List.of(all).subList(1, all.length);
  }

  private static boolean isSquare(PtxMutants.Mutant mutant) {
    return mutant.before().contains("mul.") && operands(mutant).stream().distinct().count() == 1;
  }

  /** The instruction that writes a register; the compiler writes most of them once. */
  private static Optional<String> definition(String register, List<String> text) {
    return text.stream()
        .filter(
            line -> {
              Matcher matcher = DEFINED.matcher(line);
              return matcher.matches()
                  && matcher.group(1).equals(register)
                  && !line.strip().startsWith("st.");
            })
        .findFirst();
  }

  /** Whether a register has the bound of clipping by value, or its negative. */
  private static boolean isBound(String register, List<String> text, int depth) {
    Optional<String> made = definition(register, text);
    if (depth == 0 || made.isEmpty()) {
      return false;
    }
    String line = made.get();
    if (line.contains("ld.param.f32")) {
      return line.contains("+" + CLIP_VALUE_FLOAT + "]");
    }
    if (line.contains("ld.param.f64")) {
      return line.contains("+" + CLIP_VALUE_DOUBLE + "]");
    }
    Matcher copy = Pattern.compile("\\s*(?:neg|mov)\\.f(?:32|64)\\s+%\\w+, (%\\w+);").matcher(line);
    return copy.matches() && isBound(copy.group(1), text, depth - 1);
  }

  /** Whether a comparison of integers only chooses one of the two that it compares. */
  private static boolean isMaximum(PtxMutants.Mutant mutant, List<String> text) {
    if (mutant.kind() != PtxMutants.Kind.COMPARED
        || !mutant.before().matches("\\s*setp\\.\\w+\\.[us](32|64)\\s.*")) {
      return false;
    }
    List<String> both = operands(mutant);
    String predicate = mutant.before().replaceFirst("^\\s*\\S+\\s+(%p\\d+),.*", "$1");
    for (String line : text.subList(mutant.line(), Math.min(text.size(), mutant.line() + 8))) {
      Matcher chosen =
          Pattern.compile("\\s*selp\\.\\w+\\s+%\\w+, (%\\w+), (%\\w+), " + predicate + ";")
              .matcher(line);
      if (chosen.matches() && both.contains(chosen.group(1)) && both.contains(chosen.group(2))) {
        return true;
      }
      Matcher stored =
          Pattern.compile("\\s*st\\.shared\\.\\w+\\s+\\[.*\\], (%\\w+);").matcher(line);
      if (stored.matches() && both.contains(stored.group(1))) {
        return true;
      }
    }
    return false;
  }

  /** Whether a store is gone that stores zeros alone. */
  private static boolean isZeroing(PtxMutants.Mutant mutant, List<String> text) {
    Matcher store =
        Pattern.compile("\\s*st\\.(?:v\\d\\.)?u\\d+\\s+\\[%\\w+\\], \\{?([^}]+)}?;")
            .matcher(mutant.before());
    return mutant.kind() == PtxMutants.Kind.NO_STORE
        && store.matches()
        && Arrays.stream(store.group(1).split(", ", -1))
            .allMatch(
                register ->
                    definition(register, text)
                        .filter(line -> line.matches("\\s*mov\\.u\\d+\\s+%\\w+, 0;"))
                        .isPresent());
  }

  /** Whether another pointer is loaded in the place of that to the gradients. */
  private static boolean isGradients(PtxMutants.Mutant mutant) {
    return mutant.kind() == PtxMutants.Kind.OFFSET
        && mutant
            .before()
            .matches("\\s*ld\\.global\\.u64\\s+%rd\\d+, \\[%rd\\d+\\+" + GRADIENTS + "];");
  }

  /** Whether a register is 2^n, made of its exponent's bits. */
  private static boolean isPower(String register, List<String> text) {
    Optional<String> made = definition(register, text);
    Matcher moved =
        Pattern.compile("\\s*mov\\.b(?:32|64)\\s+%\\w+, (%\\w+);").matcher(made.orElse(""));
    return moved.matches()
        && definition(moved.group(1), text)
            .filter(line -> line.matches(".*\\b(1065353216|4607182418800017408)\\b.*"))
            .isPresent();
  }
}
