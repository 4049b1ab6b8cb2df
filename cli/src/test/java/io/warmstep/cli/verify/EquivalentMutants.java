package io.warmstep.cli.verify;

import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.StepValues;
import io.warmstep.step.GradientNumber;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.BiPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Changes of the PTX that change no result: what they look like, and why they do not. */
final class EquivalentMutants {
  /** One kind, recognized by the mutant and the whole text. */
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
                      && mutant.entry().matches("global_norm|captured_(step|scale)|leaves_\\w+")
                      && mutant.before().contains("mul.")
                      && operands(mutant).stream().anyMatch(operand -> isPower(operand, text))),
          new Kind(
              "a captured loss scale grows and shrinks by powers of two: see"
                  + " LossScaler.requireExact",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.ROUNDED_TO_ZERO
                      && mutant.entry().equals("captured_step")
                      && mutant.before().contains("mul.rn.f64")),
          new Kind(
              "the product of an element of float16 and a scale's power of two is exact",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.ROUNDED_TO_ZERO
                      && mutant.entry().endsWith("_float16")
                      && mutant.before().contains("mul.")
                      && operands(mutant).stream().anyMatch(operand -> isPrescale(operand, text))),
          new Kind(
              "what float64 gradients are multiplied by first is 1",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.ROUNDED_TO_ZERO
                      && mutant.entry().endsWith("_float64")
                      && mutant.before().contains("mul.")
                      && operands(mutant).stream().anyMatch(operand -> isPrescale(operand, text))),
          new Kind(
              "in one round more nothing is left to halve",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.COMPARED
                      && mutant.entry().startsWith("factor_")
                      && isLastRound(mutant, text)),
          new Kind(
              "the first of two rows is there, or the loop would have ended",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.COMPARED
                      && mutant.entry().startsWith("factor_tiles_")
                      && isFirstOfTwo(mutant, text)),
          new Kind(
              "agreements are added up once more where there is none, and a product rounded by"
                  + " itself brings what it is part of to 0, but not to the other sign",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.SPLIT
                      && mutant.entry().matches("sums_\\w+_cautious_\\w+")
                      && isOfSecondSum(mutant, text)
                      && !isOperandOfNextFma(mutant, text)),
          new Kind(
              "a block that has no node of float32 has one of float64",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.COMPARED
                      && mutant.entry().equals("global_norm")
                      && isWhetherDoubles(mutant, text)),
          new Kind(
              "a group's sign is 1 or -1, and products with it are exact",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.ROUNDED_TO_ZERO
                      && mutant.before().contains("mul.")
                      && operands(mutant).stream()
                          .anyMatch(operand -> isSign(operand, mutant.entry(), text))),
          new Kind(
              "a gradient of zero flips no sign, so that no zero takes its place",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.COMPARED
                      && mutant.entry().contains("rprop")
                      && isSignOfZero(mutant, text)),
          new Kind(
              "the lowest bit of a difference is that of its negative, too",
              EquivalentMutants::isParity),
          new Kind(
              "2 to a power below the least has zero's bits, and what it scales is finite: "
                  + "infinities and NaN have the largest exponent",
              (mutant, text) ->
                  mutant.entry().equals("global_norm")
                      && mutant
                          .before()
                          .matches("\\s*setp\\.gt\\.s32\\s+%p\\d+, %r\\d+, -(127|1023);")),
          new Kind(
              "state in float32 lies at the values' elements modulo 16: it is aligned where they are",
              EquivalentMutants::isAlignmentOfState),
          new Kind(
              "what masters keep is aligned where the parameter is, or begins an allocation, and"
                  + " what counts as unaligned is moved one by one",
              EquivalentMutants::isAlignmentOfRest),
          new Kind(
              "all threads have the sum, and others than the first may store it",
              EquivalentMutants::isStoreOfSum),
          new Kind(
              "what a launch writes behind its groups is written again by the next, or is padding",
              (mutant, text) ->
                  mutant.entry().startsWith("groups_")
                      && mutant.kind() == PtxMutants.Kind.COMPARED
                      && mutant.before().contains("setp.ge.s32")),
          new Kind(
              "what is left of whole vectors is a multiple of one",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.COMPARED
                      && mutant.before().matches("\\s*setp\\.lt\\.s32\\s+%p\\d+, %r\\d+, 1;")),
          new Kind(
              "no rule has so many scalars",
              (mutant, text) ->
                  mutant.entry().startsWith("groups_")
                      && (mutant.kind() == PtxMutants.Kind.NO_STORE
                          || mutant.kind() == PtxMutants.Kind.OFFSET)
                      && isScalarBeyond(mutant)),
          new Kind(
              "any thread may store the scale, which all compute",
              (mutant, text) ->
                  mutant.entry().equals("captured_scale")
                      && mutant.kind() == PtxMutants.Kind.BRANCH),
          new Kind(
              "what is combined with another matrix is symmetric, and only a half of it computed",
              EquivalentMutants::isCombinedWhole),
          new Kind(
              "an element on the diagonal of a symmetric product is stored twice then",
              EquivalentMutants::isOnDiagonal),
          new Kind(
              "the host, which is notified after all threads have read their slot, does not run"
                  + " beside the interpreter",
              (mutant, text) ->
                  mutant.entry().equals("captured_step")
                      && mutant.kind() == PtxMutants.Kind.NO_BARRIER
                      && text.stream()
                          .skip(mutant.line())
                          .noneMatch(line -> line.contains("bar.sync"))),
          new Kind(
              "a pass beside the update zeroes no gradients",
              (mutant, text) ->
                  mutant.entry().matches("(lookahead|interpolation)_\\w+")
                      && (isZeroing(mutant, text)
                          || isGradients(mutant)
                          || isWhereZeroed(mutant, text))),
          new Kind(
              "weights to evaluate with are never skipped",
              (mutant, text) ->
                  mutant.entry().startsWith("interpolation_") && isWhereSkipped(mutant, text)),
          new Kind(
              "a pass has its parameters in the place of gradients, too",
              (mutant, text) ->
                  mutant.entry().matches("(lookahead|interpolation)_\\w+") && isParameters(mutant)),
          new Kind(
              "a pass beside the update has no options, and returns where its groups have flags",
              (mutant, text) ->
                  mutant.entry().matches("(lookahead|interpolation)_\\w+")
                      && (isWhereFlagged(mutant, text)
                          || (isOptions(mutant) && mutant.entry().startsWith("interpolation_")))),
          new Kind(
              "a product with a sign is exact",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.SPLIT
                      && operands(mutant).subList(0, 2).stream()
                          .anyMatch(operand -> isOneOrMinusOne(operand, text))),
          new Kind(
              "a product with a power of two is exact",
              (mutant, text) ->
                  mutant.kind() == PtxMutants.Kind.CONTRACTED
                      && mutant.entry().equals("global_norm")
                      && Pattern.compile("%\\w+")
                          .matcher(mutant.after())
                          .results()
                          .anyMatch(register -> isPower(register.group(), text))),
          new Kind(
              "the rule decays weights apart from the gradient",
              (mutant, text) ->
                  mutant.before().contains("fma.")
                      && isDecay(operands(mutant).get(0), mutant.entry(), text)
                      && !decaysGradients(mutant.entry())),
          new Kind(
              "Nesterov's momentum has no dampening, so the gradient's factor is 1",
              EquivalentMutants::isUndamped));

  private static final Pattern DEFINED = Pattern.compile("\\s*[\\w.]+\\s+\\{?(%\\w+)[,}].*");
  private static final int GRADIENTS = offset("Tensor<float>, gradients");
  private static final int SIGN_FLOAT = offset("Group<float>, sign");
  private static final int SIGN_DOUBLE = offset("Group<double>, sign");
  private static final int OPTIONS_FLOAT = offset("Group<float>, options");
  private static final int OPTIONS_DOUBLE = offset("Group<double>, options");
  private static final int DECAY_FLOAT = offset("Group<float>, weight_decay");
  private static final int DECAY_DOUBLE = offset("Group<double>, weight_decay");
  private static final int STEP = offset("SumArguments<float>, step");
  private static final int PRESCALE_FLOAT = offset("StepArguments<float>, prescale");
  private static final int PRESCALE_DOUBLE = offset("StepArguments<double>, prescale");
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
          Pattern.compile(
                  "(?m)^WS_AT\\("
                      + Pattern.quote(field)
                      + ", (\\d+)(?: \\+ (\\d+) \\* WS_GRADIENT_NUMBERS)?\\);")
              .matcher(Files.readString(Path.of("kernels/abi.h")));
      if (!line.find()) {
        throw new AssertionError("kernels/abi.h has no offset of " + field);
      }
      int each = line.group(2) == null ? 0 : Integer.parseInt(line.group(2));
      return Integer.parseInt(line.group(1)) + each * GradientNumber.COUNT;
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
      return isParameter(line, CLIP_VALUE_FLOAT, text);
    }
    if (line.contains("ld.param.f64")) {
      return isParameter(line, CLIP_VALUE_DOUBLE, text);
    }
    Matcher copy = Pattern.compile("\\s*(?:neg|mov)\\.f(?:32|64)\\s+%\\w+, (%\\w+);").matcher(line);
    return copy.matches() && isBound(copy.group(1), text, depth - 1);
  }

  private static boolean isPrescale(String register, List<String> text) {
    return definition(register, text)
        .filter(
            line ->
                (line.contains("ld.param.f32") && isParameter(line, PRESCALE_FLOAT, text))
                    || (line.contains("ld.param.f64") && isParameter(line, PRESCALE_DOUBLE, text)))
        .isPresent();
  }

  /** Whether a loop over shifts, from the largest down to 0, would go on to -1. */
  private static boolean isLastRound(PtxMutants.Mutant mutant, List<String> text) {
    Matcher test =
        Pattern.compile("\\s*setp\\.gt\\.s32\\s+%p\\d+, (%r\\d+), 0;").matcher(mutant.before());
    return test.matches()
        && text.stream()
            .anyMatch(
                line -> line.matches("\\s*shl\\.b32\\s+%r\\d+, %r\\d+, " + test.group(1) + ";"));
  }

  /** Whether a number is compared that a loop begins with, and goes on with while it is less. */
  private static boolean isFirstOfTwo(PtxMutants.Mutant mutant, List<String> text) {
    Matcher test =
        Pattern.compile("\\s*setp\\.ge\\.s32\\s+%p\\d+, (%r\\d+), (%r\\d+);")
            .matcher(mutant.before());
    return test.matches()
        && text.get(mutant.line() - 2).contains(".pragma")
        && text.stream()
            .anyMatch(
                line ->
                    line.matches(
                        "\\s*setp\\.lt\\.s32\\s+%p\\d+, "
                            + test.group(1)
                            + ", "
                            + test.group(2)
                            + ";"));
  }

  /** Whether a mutant comes after the test that a leaf's sum is within the range of sums. */
  private static boolean isOfSecondSum(PtxMutants.Mutant mutant, List<String> text) {
    Pattern test = Pattern.compile("\\s*setp\\.ge\\.f\\d+\\s+%p\\d+, (%f\\w+), 0[df][0-9A-F]+;");
    for (int i = 0; i + 1 < mutant.line(); i++) {
      Matcher least = test.matcher(text.get(i));
      if (least.matches()
          && text.get(i + 1)
              .matches("\\s*setp\\.le\\.f\\d+\\s+%p\\d+, " + least.group(1) + ", .*")) {
        return true;
      }
    }
    return false;
  }

  /** Whether a few lines on the result goes into another fma, as an average into a look ahead. */
  private static boolean isOperandOfNextFma(PtxMutants.Mutant mutant, List<String> text) {
    String result = mutant.before().trim().split("[\\s,;]+", 3)[1];
    return text.subList(mutant.line(), Math.min(mutant.line() + 4, text.size())).stream()
        .anyMatch(line -> line.matches("\\s*fma\\.rn\\.f\\d+\\s+%f\\w+, .*" + result + ",.*"));
  }

  /** Whether the number of float64's leaves decides together with the block's number. */
  private static boolean isWhetherDoubles(PtxMutants.Mutant mutant, List<String> text) {
    Matcher test =
        Pattern.compile("\\s*setp\\.gt\\.s32\\s+(%p\\d+), %r\\d+, 0;").matcher(mutant.before());
    Matcher block =
        Pattern.compile("\\s*setp\\.ge\\.s32\\s+(%p\\d+), (%r\\d+), %r\\d+;")
            .matcher(text.get(mutant.line() - 2));
    return test.matches()
        && block.matches()
        && definition(block.group(2), text).filter(line -> line.contains("%ctaid.x;")).isPresent()
        && text.get(mutant.line())
            .matches("\\s*and\\.pred\\s+%p\\d+, " + block.group(1) + ", " + test.group(1) + ";");
  }

  /** Whether a load is that of a field of a step's arguments, alone or among those of sums. */
  private static boolean isParameter(String load, int field, List<String> text) {
    Matcher address = Pattern.compile(".*\\[(\\w+|%rd\\d+)(?:\\+(-?\\d+))?];").matcher(load);
    if (!address.matches()) {
      return false;
    }
    int offset = address.group(2) == null ? 0 : Integer.parseInt(address.group(2));
    OptionalInt base = parameterOffset(address.group(1), text);
    return base.isPresent()
        && (base.getAsInt() + offset == field || base.getAsInt() + offset == STEP + field);
  }

  /** By how much a register points beyond the beginning of the arguments. */
  private static OptionalInt parameterOffset(String register, List<String> text) {
    if (register.endsWith("_param_0")) {
      return OptionalInt.of(0);
    }
    Matcher made =
        Pattern.compile("\\s*(?:mov\\.b64\\s+%\\w+, (\\w+)|add\\.s64\\s+%\\w+, (%\\w+), (-?\\d+));")
            .matcher(definition(register, text).orElse(""));
    if (!made.matches()) {
      return OptionalInt.empty();
    }
    if (made.group(1) != null) {
      return parameterOffset(made.group(1), text);
    }
    OptionalInt base = parameterOffset(made.group(2), text);
    return base.isEmpty()
        ? base
        : OptionalInt.of(base.getAsInt() + Integer.parseInt(made.group(3)));
  }

  /** Whether a register has a number of a group, which may come from the table. */
  private static boolean isOfGroup(
      String register, int offsetInFloat, int offsetInDouble, String entry, List<String> text) {
    Pattern load =
        Pattern.compile(
            "\\s*ld\\.global\\.(?:v2\\.)?f\\d+\\s+\\{?"
                + Pattern.quote(register)
                + "\\b.*\\[%rd\\d+\\+"
                + (entry.endsWith("_float64") ? offsetInDouble : offsetInFloat)
                + "];");
    return text.stream().anyMatch(line -> load.matcher(line).matches());
  }

  /** Whether a register has a group's sign. */
  private static boolean isSign(String register, String entry, List<String> text) {
    return isOfGroup(register, SIGN_FLOAT, SIGN_DOUBLE, entry, text);
  }

  /** Whether a register has a group's factor of weight decay in the gradient. */
  private static boolean isDecay(String register, String entry, List<String> text) {
    return isOfGroup(register, DECAY_FLOAT, DECAY_DOUBLE, entry, text);
  }

  /** Whether of a difference only the lowest bit is used. */
  private static boolean isParity(PtxMutants.Mutant mutant, List<String> text) {
    Matcher difference = Pattern.compile("\\s*sub\\.s64\\s+(%rd\\d+), .*").matcher(mutant.before());
    if (mutant.kind() != PtxMutants.Kind.SWAPPED || !difference.matches()) {
      return false;
    }
    Pattern use = Pattern.compile(".*" + Pattern.quote(difference.group(1)) + "\\b.*");
    List<String> uses =
        text.stream()
            .filter(line -> !line.equals(mutant.before()) && use.matcher(line).matches())
            .filter(line -> !line.strip().startsWith(".reg"))
            .toList();
    return !uses.isEmpty()
        && uses.stream().allMatch(line -> line.matches("\\s*and\\.b64\\s+%rd\\d+, %rd\\d+, 1;"));
  }

  /** Whether a comparison chooses between zeros of either sign, and nothing else. */
  private static boolean isSignOfZero(PtxMutants.Mutant mutant, List<String> text) {
    Matcher comparison =
        Pattern.compile("\\s*setp\\.gt\\.f\\d+\\s+(%p\\d+), .*").matcher(mutant.before());
    if (!comparison.matches()) {
      return false;
    }
    String zeros = "0f00000000, 0f80000000|0d0000000000000000, 0d8000000000000000";
    Pattern use = Pattern.compile(".*" + Pattern.quote(comparison.group(1)) + "\\b.*");
    List<String> uses =
        text.stream()
            .filter(line -> !line.equals(mutant.before()) && use.matcher(line).matches())
            .filter(line -> !line.strip().startsWith(".reg"))
            .toList();
    return !uses.isEmpty()
        && uses.stream()
            .allMatch(line -> line.matches("\\s*selp\\.f\\d+\\s+%fd?\\d+, (" + zeros + "), .*"));
  }

  /**
   * Whether a width of 1 or 2 bytes, or else 4, has no other use than the mask of a vector's
   * address.
   */
  private static boolean isAlignmentOfRest(PtxMutants.Mutant mutant, List<String> text) {
    Matcher width =
        Pattern.compile("\\s*selp\\.b32\\s+(%r\\d+), 2, 1, %p\\d+;").matcher(mutant.before());
    if (mutant.kind() != PtxMutants.Kind.SWAPPED
        || !mutant.entry().startsWith("mixed_")
        || !width.matches()) {
      return false;
    }
    return onlyUse(width.group(1), "selp\\.b32\\s+(%r\\d+), 4, REGISTER, %p\\d+;", text)
        .flatMap(any -> onlyUse(any, "shl\\.b32\\s+(%r\\d+), REGISTER, 2;", text))
        .flatMap(bytes -> onlyUse(bytes, "add\\.s32\\s+(%r\\d+), REGISTER, -1;", text))
        .isPresent();
  }

  /**
   * Whether the mask of the address of a vector of float32 changed places with that of bfloat16 or
   * codes, of which a slot's address takes one. What then is taken for not aligned is moved one by
   * one.
   */
  private static boolean isAlignmentOfState(PtxMutants.Mutant mutant, List<String> text) {
    Matcher mask =
        Pattern.compile("\\s*selp\\.b32\\s+%r\\d+, 15, (%r\\d+), %p\\d+;").matcher(mutant.before());
    return mutant.kind() == PtxMutants.Kind.SWAPPED
        && mutant.entry().startsWith("mixed_")
        && mask.matches()
        && text.stream()
            .anyMatch(
                line -> line.matches("\\s*selp\\.b32\\s+" + mask.group(1) + ", 7, 3, %p\\d+;"));
  }

  /** What the one instruction that reads a register sets, if it is of a form. */
  private static Optional<String> onlyUse(String register, String form, List<String> text) {
    Pattern read = Pattern.compile("\\s*\\S+\\s+[^,]+,.*" + Pattern.quote(register) + "\\b.*");
    List<String> uses = text.stream().filter(line -> read.matcher(line).matches()).toList();
    if (uses.size() != 1) {
      return Optional.empty();
    }
    Matcher use =
        Pattern.compile("\\s*" + form.replace("REGISTER", Pattern.quote(register)))
            .matcher(uses.get(0));
    return use.matches() ? Optional.of(use.group(1)) : Optional.empty();
  }

  /**
   * Whether a branch is turned around that leaves the store of a leaf's sum to the first thread.
   */
  private static boolean isStoreOfSum(PtxMutants.Mutant mutant, List<String> text) {
    Matcher branch = Pattern.compile("\\s*@(%p\\d+) bra\\s+(\\S+);").matcher(mutant.before());
    if (mutant.kind() != PtxMutants.Kind.BRANCH
        || !mutant.entry().matches("(sums|leaves)_\\w+")
        || !branch.matches()) {
      return false;
    }
    Matcher first =
        Pattern.compile("\\s*setp\\.ne\\.s32\\s+%p\\d+, (%r\\d+), 0;")
            .matcher(definition(branch.group(1), text).orElse(""));
    if (!first.matches()
        || definition(first.group(1), text).filter(line -> line.contains("%tid.x;")).isEmpty()) {
      return false;
    }
    int stores = 0;
    for (String line : text.subList(mutant.line(), text.size())) {
      if (line.strip().equals(branch.group(2) + ":")) {
        return stores == 2;
      }
      stores += line.contains("st.global.") ? 1 : 0;
      if (!line.matches("\\s*((ld\\.param|cvta|shl|add|mul|mad|cvt|mov|st\\.global)\\..*)?")) {
        return false;
      }
    }
    return false;
  }

  /** Whether a store is that of a scalar that no rule has, all of which come before the sign. */
  private static boolean isScalarBeyond(PtxMutants.Mutant mutant) {
    Matcher store =
        Pattern.compile("\\s*st\\.global\\.f(32|64)\\s+\\[%rd\\d+(?:\\+(\\d+))?], .*")
            .matcher(mutant.before());
    if (!store.matches() || store.group(2) == null) {
      return false;
    }
    boolean isDouble = store.group(1).equals("64");
    int offset = Integer.parseInt(store.group(2));
    return offset < (isDouble ? SIGN_DOUBLE : SIGN_FLOAT)
        && offset / (isDouble ? Double.BYTES : Float.BYTES) >= mostScalars();
  }

  private static int mostScalars() {
    Pattern define = Pattern.compile("(?m)^#define WS_\\w+_SCALARS (\\d+)");
    try (Stream<Path> headers = Files.list(Path.of("kernels/rules"))) {
      int most = 0;
      for (Path header : headers.toList()) {
        Matcher scalars = define.matcher(Files.readString(header));
        while (scalars.find()) {
          most = Math.max(most, Integer.parseInt(scalars.group(1)));
        }
      }
      return most;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Whether a mutant is in the loop that combines all of a product with another matrix, which a
   * launch could ask for and none does: the loop stores each combined element, whatever side of the
   * diagonal it is on.
   */
  private static boolean isCombinedWhole(PtxMutants.Mutant mutant, List<String> text) {
    if (!mutant.entry().startsWith("matrix_product_")) {
      return false;
    }
    int from = mutant.line() - 1;
    while (from > 0 && !text.get(from).contains(".pragma \"nounroll\"")) {
      from--;
    }
    if (from == 0) {
      return false;
    }
    String label = text.get(from - 1).strip().replace(":", "");
    int to = from;
    while (to < text.size()
        && !text.get(to).matches("\\s*@%p\\d+ bra\\s+" + Pattern.quote(label) + ";")) {
      to++;
    }
    if (to == text.size() || to < mutant.line() - 1) {
      return false;
    }
    String body = String.join("\n", text.subList(from + 1, to));
    return !body.contains(".pragma") // which another loop would begin with
        && body.matches(
            "(?s).*\\bmul\\.rn\\.f\\d+[^@]*\\bfma\\.rn\\.f\\d+[^@]*\\bst\\.shared\\.f\\d+[^@]*\\bst\\.global\\.f\\d+.*");
  }

  /** Whether a comparison leaves the diagonal out where a product is stored by its columns. */
  private static boolean isOnDiagonal(PtxMutants.Mutant mutant, List<String> text) {
    if (mutant.kind() != PtxMutants.Kind.COMPARED
        || !mutant.entry().startsWith("matrix_product_")
        || !mutant.before().matches("\\s*setp\\.le\\.s32\\s.*")) {
      return false;
    }
    String body =
        text.stream()
            .skip(mutant.line())
            .takeWhile(line -> !line.contains("st.global."))
            .collect(Collectors.joining("\n"));
    return body.contains("ld.shared.") && !body.contains("fma.");
  }

  /** Whether a mutant is in what a vector's store does with flags, or at the branch around that. */
  private static boolean isWhereFlagged(PtxMutants.Mutant mutant, List<String> text) {
    Pattern branch = Pattern.compile("\\s*@(%p\\d+) bra\\s+(\\S+);");
    for (int i = 0; i < mutant.line(); i++) {
      Matcher around = branch.matcher(text.get(i));
      if (!around.matches()) {
        continue;
      }
      Matcher test =
          Pattern.compile("\\s*setp\\.eq\\.s32\\s+%p\\d+, (%r\\d+), 0;")
              .matcher(definition(around.group(1), text).orElse(""));
      if (test.matches()
          && definition(test.group(1), text)
              .filter(line -> line.matches("\\s*(?:or\\.b32|add\\.s32)\\s.*"))
              .isPresent()) {
        return mutant.line() - 1 < text.indexOf(around.group(2) + ":");
      }
    }
    return false;
  }

  /** Whether a group's flags are loaded for its options. */
  private static boolean isOptions(PtxMutants.Mutant mutant) {
    int offset = mutant.entry().endsWith("_float64") ? OPTIONS_DOUBLE : OPTIONS_FLOAT;
    return mutant.kind() == PtxMutants.Kind.OFFSET
        && mutant.before().matches("\\s*ld\\.global\\.u32\\s.*\\+" + offset + "];");
  }

  /** Whether a register is 1, or else -1, a zero or NaN. */
  private static boolean isOneOrMinusOne(String register, List<String> text) {
    String choice =
        "\\s*selp\\.f\\d+\\s+%\\w+, (?:0f3F800000|0d3FF0000000000000), (%\\w+), %p\\d+;";
    Matcher one = Pattern.compile(choice).matcher(definition(register, text).orElse(""));
    return one.matches()
        && definition(one.group(1), text)
            .filter(
                line ->
                    line.matches("\\s*selp\\.f\\d+\\s+%\\w+, (0fBF800000|0dBFF0000000000000), .*"))
            .isPresent();
  }

  private static boolean decaysGradients(String entry) {
    String kernel =
        entry.replaceFirst("^(sums|first|mixed)_", "").replaceFirst("_b?float\\d+$", "");
    return Rules.forms().stream()
        .filter(form -> form.kernel().equals(kernel))
        .map(form -> RuleSettings.has(form, "weightDecay") ? form.weightDecay(0.5) : form)
        .anyMatch(form -> form.coupledWeightDecay(new StepValues(1, 0.1)) != 0);
  }

  /**
   * Whether a product is that of a gradient d with a factor that is other than 1 only without
   * Nesterov's momentum, which adds d once more: b = momentum * b + factor * d, then momentum * b +
   * d.
   */
  private static boolean isUndamped(PtxMutants.Mutant mutant, List<String> text) {
    Matcher product =
        Pattern.compile("\\s*mul\\.rn\\.f\\d+\\s+(%\\w+), %\\w+, (%\\w+);")
            .matcher(mutant.before());
    if (!mutant.entry().matches("(lars|momentum)_\\w+")
        || mutant.kind() != PtxMutants.Kind.ROUNDED_TO_ZERO
        || !product.matches()) {
      return false;
    }
    String after = String.join("\n", text.subList(mutant.line(), text.size()));
    String fma = "fma\\.rn\\.f\\d+\\s+";
    Matcher moved =
        Pattern.compile(fma + "(%\\w+), (%\\w+), %\\w+, " + product.group(1) + ";").matcher(after);
    if (!moved.find()) {
      return false;
    }
    String again = String.join(", ", moved.group(2), moved.group(1), product.group(2));
    return Pattern.compile(fma + "%\\w+, " + again + ";").matcher(after).find();
  }

  /** Whether this is where a skipped step sets gradients to zero, or decides whether to. */
  private static boolean isWhereSkipped(PtxMutants.Mutant mutant, List<String> text) {
    int end = endOfSkipped(text);
    return isBetween(lastBefore(end, "ld.param", text), mutant, end);
  }

  /** Whether this is where it does so. */
  private static boolean isWhereZeroed(PtxMutants.Mutant mutant, List<String> text) {
    int loop = lastBefore(endOfSkipped(text), ".pragma", text);
    int around = lastBefore(lastBefore(loop, " bra ", text), " bra ", text);
    return isBetween(around + 1, mutant, endOfSkipped(text));
  }

  private static boolean isBetween(int from, PtxMutants.Mutant mutant, int to) {
    return mutant.line() - 1 >= from && mutant.line() - 1 <= to;
  }

  private static int lastBefore(int end, String part, List<String> text) {
    int line = end - 1;
    while (!text.get(line).contains(part)) {
      line--;
    }
    return line;
  }

  private static int endOfSkipped(List<String> text) {
    int end = 0;
    while (!text.get(end).contains("bra.uni")) {
      end++;
    }
    return end;
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
      // Where the other condition does not hold, the same one is chosen before and after.
      Matcher joined =
          Pattern.compile("\\s*and\\.pred\\s+(%p\\d+), (?:%p\\d+, )?" + predicate + "[,;].*")
              .matcher(line);
      if (joined.matches()) {
        predicate = joined.group(1);
      }
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

  /** Whether a store of zeros alone is gone or another. */
  private static boolean isZeroing(PtxMutants.Mutant mutant, List<String> text) {
    Matcher store =
        Pattern.compile("\\s*st\\.(?:v\\d\\.)?[uf]\\d+\\s+\\[%\\w+\\], \\{?([^}]+)}?;")
            .matcher(mutant.before());
    return store.matches()
        && Arrays.stream(store.group(1).split(", ", -1))
            .allMatch(
                register ->
                    definition(register, text)
                        .filter(line -> line.matches("\\s*mov\\.[uf]\\d+\\s+%\\w+, 0(?:[fd]0+)?;"))
                        .isPresent());
  }

  /** Whether a row's gradients are loaded for its parameters. */
  private static boolean isParameters(PtxMutants.Mutant mutant) {
    return mutant.kind() == PtxMutants.Kind.OFFSET
        && mutant.before().matches("\\s*ld\\.global\\.u64\\s+%rd\\d+, \\[%rd\\d+];")
        && mutant.after().contains("+" + GRADIENTS + "]");
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
            .filter(
                line ->
                    line.matches(
                        ".*\\b(1065353216|4607182418800017408)\\b.*"
                            + "|\\s*shl\\.b(32\\s.*, 23|64\\s.*, 52);"))
            .isPresent();
  }
}
