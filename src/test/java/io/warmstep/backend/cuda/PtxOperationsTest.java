package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.rule.Rules;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.TensorSums;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The prebuilt PTX computes what the source says: every floating-point operation in it is one that
 * rounds once, to nearest, and keeps denormals, and there are exactly as many of each kind as the
 * source has. A multiply-add that the compiler had made by itself would be one fma too many, and
 * one mul and one add too few. A rule's header says how many it has; those that rules share are
 * counted here.
 *
 * <p>That the assembler joins none either follows from the same text: it may only join operations
 * without a rounding of their own, and each here says {@code .rn}.
 */
class PtxOperationsTest {
  /** Instructions on floating-point values that compute. */
  private static final Pattern ARITHMETIC =
      Pattern.compile(
          "(?m)^\\s*(?:@!?%p\\d+ )?"
              + "((?:add|sub|mul|mad|fma|div|rcp|sqrt|rsqrt|sin|cos|tanh|lg2|ex2|min|max|abs|neg"
              + "|copysign|testp|cvt)\\.[.a-z0-9]*\\bf(?:16|16x2|32|64)\\b[.a-z0-9]*)");

  /** Those that round, without their type. */
  private static final Set<String> ROUNDED =
      Set.of("add.rn", "sub.rn", "mul.rn", "fma.rn", "div.rn", "rcp.rn", "sqrt.rn");

  /** Exact, or, from a wider type, rounded to nearest. */
  private static final Set<String> UNCOUNTED =
      Set.of(
          "neg.f32",
          "neg.f64",
          "abs.f32",
          "abs.f64",
          "max.f64", // of finite numbers
          "cvt.f64.f32",
          "cvt.rn.f32.f64",
          "cvt.f32.f16",
          "cvt.rn.f16.f32",
          "cvt.rzi.u32.f32", // of whole numbers
          "cvt.rzi.s32.f32", // of codes, which it is to cut off
          "cvt.rn.f32.s32", // of codes
          "cvt.rn.f32.s64",
          "cvt.rn.f64.s64");

  /** What finds codes of 8 bits, of which those in doubt are found otherwise: see codes.cuh. */
  private static final Pattern ABOUT =
      Pattern.compile("\\b(?:rcp\\.approx\\.ftz|sqrt\\.approx(?:\\.ftz)?)\\.f32 ");

  /** How many operations of each kind. */
  private record Operations(int fma, int mul, int add, int div, int sqrt) {
    static final Operations NONE = new Operations(0, 0, 0, 0, 0);

    Operations plus(Operations other) {
      return new Operations(
          fma + other.fma, mul + other.mul, add + other.add, div + other.div, sqrt + other.sqrt);
    }

    Operations times(int n) {
      return new Operations(n * fma, n * mul, n * add, n * div, n * sqrt);
    }

    Map<String, Integer> named(String type) {
      Map<String, Integer> named = new TreeMap<>();
      Map.of("fma", fma, "mul", mul, "add", add, "div", div, "sqrt", sqrt)
          .forEach(
              (name, count) -> {
                if (count > 0) {
                  named.put(name + ".rn." + type, count);
                }
              });
      return named;
    }
  }

  private static Operations fma(int n) {
    return new Operations(n, 0, 0, 0, 0);
  }

  private static Operations mul(int n) {
    return new Operations(0, n, 0, 0, 0);
  }

  private static Operations add(int n) {
    return new Operations(0, 0, n, 0, 0);
  }

  private static final Operations DIV = new Operations(0, 0, 0, 1, 0);
  private static final Operations SQRT = new Operations(0, 0, 0, 0, 1);

  /** From a list such as {@code 2 fma, 1 mul}. */
  private static Operations parse(String list) {
    Operations all = Operations.NONE;
    for (String part : list.split(", ", -1)) {
      Matcher one = Pattern.compile("(\\d+) (fma|mul|add|div|sqrt)").matcher(part);
      assertTrue(one.matches(), "operations are \"" + list + "\": cannot read \"" + part + "\"");
      Operations kind =
          switch (one.group(2)) {
            case "fma" -> fma(1);
            case "mul" -> mul(1);
            case "add" -> add(1);
            case "div" -> DIV;
            default -> SQRT;
          };
      all = all.plus(kind.times(Integer.parseInt(one.group(1))));
    }
    return all;
  }

  /**
   * Elements that a thread updates in the text: 16 bytes of them by vectors, and one by one; of
   * float64 with three slots or more just these.
   */
  private static int held(String storage, long slots) {
    boolean isDouble = storage.equals("float64");
    return isDouble && slots >= 3 ? 1 : isDouble ? 2 + 1 : 4 + 1;
  }

  /** How many slots of state elements have under a kernel with some options; 0 of a pass. */
  private static long slots(String kernel, int options) {
    return Rules.forms().stream()
        .filter(form -> form.kernel().equals(kernel) && form.options() == options)
        .mapToLong(
            form ->
                form.stateSlots().stream()
                    .filter(slot -> slot.extent() == StateSlot.Extent.ELEMENT)
                    .count())
        .max()
        .orElse(0);
  }

  /** scale * g; or scale * (prescale * g), and weight_decay * p + g. */
  private static final Operations GRADIENT = mul(1).plus(mul(2)).plus(fma(1));

  private static final Pattern STATED =
      Pattern.compile("(?m)^ \\* Operations with options (\\d+)(?: and no gradient)?: (.*)\\.$");

  private static final Pattern OPTIONS =
      Pattern.compile("(?m)^#define WS_[A-Z0-9_]+_OPTIONS (\\d+)");

  /** The operations of one element, for each of a rule's options, as the rule's header says. */
  private static List<Operations> stated(String rule) throws IOException {
    String header = "kernels/rules/" + rule + ".h";
    String text = Files.readString(Path.of(header));
    List<Operations> found = new ArrayList<>();
    Matcher line = STATED.matcher(text);
    while (line.find()) {
      assertEquals(found.size(), Integer.parseInt(line.group(1)), header + ", operations: options");
      found.add(parse(line.group(2)));
    }
    Matcher options = OPTIONS.matcher(text);
    assertTrue(
        options.find(),
        header + " does not define WS_" + rule.toUpperCase(Locale.ROOT) + "_OPTIONS");
    assertEquals(
        Integer.parseInt(options.group(1)),
        found.size(),
        header
            + " must say in its comment, for each set of options, what an element takes, in lines"
            + " such as \" * Operations with options 0: 2 fma, 1 div.\"; count of lines");
    return found;
  }

  /** norm.cu: 16 elements per thread, of which the first halving makes 8 and the second 4. */
  private static final int LEAF = 16;

  /** The first halving of a node, 8 sums, then {@link #FOLD}. */
  private static final Operations NODE = mul(LEAF).plus(add(LEAF / 2));

  /** 4 between threads, in a loop, then three. */
  private static final Operations BLOCK_FOLD = add(4 + 3);

  /** To 4 sums in a thread, then between threads. */
  private static final Operations FOLD = add(4).plus(BLOCK_FOLD);

  static List<String> entries() throws IOException {
    return PtxTest.entries();
  }

  @ParameterizedTest
  @MethodSource("entries")
  void hasTheSourcesOperations(String entry) throws IOException {
    if (entry.startsWith("sums_")
        || entry.startsWith("matrix_product_")
        || entry.startsWith("factor_")) {
      hasTheSourcesOperationsOrMore(entry);
      return;
    }
    assertEquals(
        expected(entry),
        counted(entry),
        entry + ": operations that the source states, and those of kernels/ptx/" + entry + ".ptx");
  }

  /**
   * The compiler makes several loops of a small one, with and without what is asked for by value:
   * so the same kinds of operations, and no fewer.
   */
  private static void hasTheSourcesOperationsOrMore(String entry) throws IOException {
    Map<String, Integer> expected = expected(entry);
    Map<String, Integer> counted = counted(entry);
    assertEquals(expected.keySet(), counted.keySet(), entry);
    expected.forEach((kind, n) -> assertTrue(counted.get(kind) >= n, entry + ": " + kind));
  }

  private static Map<String, Integer> expected(String entry) throws IOException {
    if (entry.startsWith("mixed_")) {
      return mixed(entry.substring("mixed_".length())).named("f32");
    }
    String kind = entry.substring(0, entry.lastIndexOf('_'));
    String storage = entry.substring(entry.lastIndexOf('_') + 1);
    String type = storage.equals("float64") ? "f64" : "f32";
    return switch (kind) {
      case "groups" -> Map.of();
      case "numbers" -> numbers().named(type);
      case "leaves" -> leaves(storage).named(type);
      case "global" -> globalNorm();
      case "captured" -> { // what gradients are multiplied by
        Map<String, Integer> scale = Map.of("div.rn.f64", 1, "mul.rn.f32", 1);
        yield storage.equals("scale") ? scale : growing(scale);
      }
      case "factor_tiles" -> mul(1).plus(mul(3).plus(add(1)).times(2)).plus(add(1)).named(type);
      case "factor_join" -> fma(2).plus(add(6)).plus(DIV.times(5)).plus(SQRT.times(3)).named(type);
      case "matrix_copy" -> DIV.named(type);
      case "matrix_product" -> product(storage).named(type);
      default -> {
        if (kind.startsWith("sums_")) {
          yield sums(kind.substring("sums_".length()), storage).named(type);
        }
        if (kind.startsWith("first_")) {
          yield first(kind.substring("first_".length()), storage).named(type);
        }
        yield update(kind, storage).named(type);
      }
    };
  }

  /** With the growth and backoff of the loss scale. */
  private static Map<String, Integer> growing(Map<String, Integer> scale) {
    Map<String, Integer> all = new TreeMap<>(scale);
    all.put("mul.rn.f64", 2);
    return all;
  }

  private static Operations update(String rule, String storage) throws IOException {
    Operations all = Operations.NONE;
    boolean hasGradient = !text(rule).contains(" and no gradient: ");
    if (hasGradient && !text(rule).contains("_SUM_READS ")) {
      all = all.plus(mul(1)); // scale * tensor_factor
    }
    boolean measures =
        Rules.ofEachKernel().stream()
            .filter(one -> one.kernel().equals(rule))
            .anyMatch(one -> storage.equals("float64") || one.isOfOneType());
    List<Operations> ofOneElement = stated(rule);
    for (int options = 0; options < ofOneElement.size(); options++) {
      int held = held(storage, slots(rule, options));
      all = all.plus(ofOneElement.get(options).times(held));
      if (hasGradient) {
        all = all.plus(GRADIENT.times(held)).plus(mul(1)); // sign * scale
      }
      if (measures) { // an element's change, squares and counts
        all = all.plus(add(1).plus(fma(2)).plus(add(2)));
      }
    }
    if (text(rule).contains("WS_FACTORED_ENTRY")) {
      all = all.plus(DIV); // the bound of inverse roots
    }
    return measures ? all.plus(add(1)) : all; // and the tile's, by halves
  }

  /**
   * Four elements at a time, whose gradients are prepared in one place for all options and phases.
   */
  private static Operations mixed(String rule) throws IOException {
    int held = 4;
    Operations average = add(1).plus(fma(1));
    // sign * scale * tensor_factor
    Operations all = mul(2).plus(mul(2).plus(fma(1)).plus(average).times(held));
    for (Operations ofOneElement : stated(rule)) {
      all = all.plus(ofOneElement.times(held));
    }
    Matcher slots = Pattern.compile("_MAX_SLOTS (\\d+)\n").matcher(text(rule));
    assertTrue(slots.find(), rule);
    int count = Integer.parseInt(slots.group(1));
    all = count == 0 ? all : all.plus(codes(count, held));
    // Squares of values and changes, and their fold.
    all = all.plus(add(1).plus(fma(2)).times(held)).plus(add(1));
    return hasSums(rule) ? all.plus(firstPhase(rule, held)) : all;
  }

  /** The same elements, whose state moves or whose terms, times a factor or not, are added up. */
  private static Operations firstPhase(String rule, int held) throws IOException {
    Operations all = stated(rule, "state").times(held);
    if (text(rule).contains("WS_MATRIX_ENTRY")) {
      return all; // what is added up is in a slot: see norm.cu
    }
    all = all.plus(stated(rule, "terms").times(held));
    for (TensorSums.Kind kind : kinds(rule)) {
      all = all.plus(mul(1).plus(pair(kind)).plus(add(1)).times(held)).plus(BLOCK_FOLD);
    }
    return all;
  }

  private static boolean hasSums(String rule) {
    return Rules.ofEachKernel().stream()
        .anyMatch(one -> one.kernel().equals(rule) && one.sums().isPresent());
  }

  /**
   * codes.cuh: the table, what is read from it for each slot and, in a loop over slots, how moments
   * and squares become codes: about, and where that leaves a doubt, one after the other.
   */
  private static Operations codes(int slots, int held) {
    Operations table = DIV.plus(mul(2));
    Operations decoded = mul(2); // by the scale, and squared
    Operations scale = SQRT.plus(mul(1)); // of the largest square; 254 times its inverse
    Operations about = mul(1).plus(fma(2)).plus(mul(1).plus(fma(1)));
    Operations moment = DIV.plus(mul(1)).plus(add(3));
    Operations threshold = mul(1);
    Operations square = SQRT.times(3).plus(DIV).plus(mul(1)).plus(threshold).plus(add(1));
    return table
        .plus(decoded.times(slots * held))
        .plus(scale)
        .plus(about.times(held))
        .plus(moment)
        .plus(square);
  }

  private static String text(String rule) throws IOException {
    return Files.readString(Path.of("kernels/rules/" + rule + ".h"));
  }

  /** What a rule with a matrix phase does before: an update of state alone. */
  private static Operations first(String rule, String storage) throws IOException {
    int held = held(storage, slots(rule, 0));
    return stated(rule, "state").plus(GRADIENT).times(held).plus(mul(1)); // sign * scale
  }

  /** For each pair of the rows and columns that a thread holds, and what is made of an element. */
  private static Operations product(String storage) {
    int side = storage.equals("float64") ? 4 : 8;
    return fma(side * side).plus(fma(2)).plus(mul(2)); // twice other_factor * other
  }

  /** What the header of a rule with sums says of its first phase. */
  private static Operations stated(String rule, String part) throws IOException {
    String text = Files.readString(Path.of("kernels/rules/" + rule + ".h"));
    Matcher line =
        Pattern.compile("(?m)^ \\* Operations of the " + part + ": (.*)\\.$").matcher(text);
    return line.find() ? parse(line.group(1)) : Operations.NONE;
  }

  /** Whether a rule's first phase moves state, of which alone its terms are functions then. */
  private static boolean movesState(String rule) {
    return summing(rule).summing().writes() != 0;
  }

  private static List<TensorSums.Kind> kinds(String rule) {
    return summing(rule).kinds();
  }

  private static TensorSums summing(String rule) {
    return Rules.ofEachKernel().stream()
        .filter(one -> one.kernel().equals(rule))
        .findFirst()
        .flatMap(UpdateRule::sums)
        .orElseThrow();
  }

  /** Squares or magnitudes of two terms, or the terms. */
  private static Operations pair(TensorSums.Kind kind) {
    return kind == TensorSums.Kind.NORM ? mul(1).plus(fma(1)) : add(1);
  }

  /**
   * sums.cu: 4 elements of a thread at a time, 2 of float64, and where the plain sum failed one in
   * a loop for the largest magnitude and then the scaled sum. State moves in the first of these.
   */
  private static Operations sums(String rule, String storage) throws IOException {
    int some = storage.equals("float64") ? 2 : 4;
    Operations prepared = mul(2).plus(fma(1)); // scale * (prescale * g), weight_decay * p + g
    Operations state = stated(rule, "state");
    Operations terms = stated(rule, "terms");
    boolean termsHaveGradient = !movesState(rule) || kinds(rule).contains(TensorSums.Kind.SUM);
    Operations all = mul(1).plus(stated(rule, "beginning")); // sign * scale
    all = all.plus(state.plus(prepared).times(some));
    all = all.plus(terms.times(some + 1));
    all = all.plus((termsHaveGradient ? prepared : Operations.NONE));
    for (TensorSums.Kind kind : kinds(rule)) {
      all = all.plus(pair(kind).plus(add(1)).times(some)).plus(BLOCK_FOLD);
    }
    for (TensorSums.Kind kind : Set.copyOf(kinds(rule))) {
      all = all.plus(pair(kind));
    }
    return all.plus(mul(1)).plus(add(1)).plus(BLOCK_FOLD); // scaled terms
  }

  /** One entry for all rules, each of which forms its numbers, and for adaptive clipping. */
  private static Operations numbers() throws IOException {
    Operations all = NODE.plus(FOLD).plus(SQRT).plus(mul(1)); // a root, times a power of two
    Set<String> names = new TreeSet<>();
    Rules.ofEachKernel().stream()
        .filter(rule -> rule.sums().isPresent())
        .forEach(rule -> names.add(rule.sumsKernel()));
    for (String rule : names) {
      all = all.plus(stated(rule, "numbers"));
    }
    return all.plus(mul(2)).plus(mul(1)).plus(DIV); // scale * (prescale * g), the bound, the factor
  }

  /** The plain sum of squares or magnitudes, and the scaled one with a product more per element. */
  private static Operations leaves(String storage) {
    Operations pairs = mul(1).plus(fma(1)).plus(add(1)).times(LEAF / 2);
    Operations plain = pairs.plus(FOLD);
    // The plain sum of float16 cannot fail.
    return storage.equals("float16") ? plain : plain.times(2).plus(mul(LEAF));
  }

  private static Map<String, Integer> globalNorm() {
    Operations tree = NODE.plus(FOLD).plus(SQRT).plus(mul(1)); // sqrt(sum) * 2^exponent
    Operations clip = add(1).plus(DIV); // clip_norm / (norm + 1e-6)
    Operations scaled = tree.plus(clip).plus(mul(2)); // norm * scale, scale * factor
    Operations hypotenuse = DIV.plus(fma(1)).plus(SQRT).plus(mul(1));
    // The scale's mantissa and exponent apart: to a normal number, and times the power.
    Operations largest = mul(1); // as a number from 1 to 2 times a power
    Map<String, Integer> all = scaled.plus(largest).plus(mul(2)).named("f32");
    Operations joined = hypotenuse.plus(add(1)); // or the sum of both trees' sums
    all.putAll(scaled.plus(largest).plus(joined).named("f64"));
    return all;
  }

  private static List<String> instructions(String text) {
    List<String> found = new ArrayList<>();
    Matcher matcher = ARITHMETIC.matcher(text);
    while (matcher.find()) {
      found.add(matcher.group(1));
    }
    return found;
  }

  private static String withoutCodes(String text) {
    return ABOUT.matcher(text).replaceAll("");
  }

  private static Map<String, Integer> counted(String entry) throws IOException {
    Map<String, Integer> counts = new TreeMap<>();
    for (String instruction : instructions(withoutCodes(PtxTest.ptx(entry)))) {
      if (!UNCOUNTED.contains(instruction)) {
        // 1 / x is rounded like any other quotient.
        String kind = instruction.replace("sub.rn", "add.rn").replace("rcp.rn", "div.rn");
        counts.merge(kind, 1, Integer::sum);
      }
    }
    return counts;
  }

  @Test
  void everyOperationRoundsOnceToNearest() throws IOException {
    Set<String> wrong = new TreeSet<>();
    for (String entry : entries()) {
      String exact = withoutCodes(PtxTest.ptx(entry));
      assertTrue(!exact.contains(".approx") && !exact.contains(".ftz"), entry);
      for (String instruction : instructions(exact)) {
        String withoutType = instruction.replaceAll("\\.f(32|64)$", "");
        if (!ROUNDED.contains(withoutType) && !UNCOUNTED.contains(instruction)) {
          wrong.add(entry + ": " + instruction);
        }
      }
    }
    assertEquals(Set.of(), wrong);
  }

  /** An inverse of the scale and one for each moment, and three roots for each square. */
  @Test
  void onlyCodesAreApproximated() throws IOException {
    for (String entry : entries()) {
      Map<String, Integer> found = new TreeMap<>();
      Matcher matcher = ABOUT.matcher(PtxTest.ptx(entry));
      while (matcher.find()) {
        found.merge(matcher.group().strip(), 1, Integer::sum);
      }
      boolean encodes = entry.startsWith("mixed_") && !entry.equals("mixed_sgd");
      Map<String, Integer> expected =
          Map.of("rcp.approx.ftz.f32", 5, "sqrt.approx.f32", 4, "sqrt.approx.ftz.f32", 8);
      assertEquals(encodes ? expected : Map.of(), found, entry);
    }
  }

  /** Of elements, which global memory has; those of 16 bits go in twos or fours, too. */
  private static final Pattern VECTOR =
      Pattern.compile("(ld|st)\\.(?:global\\.)?v[24]\\.([a-z]\\d+)\\s.*");

  private static final Pattern SINGLE =
      Pattern.compile("(?:@!?%p\\d+ )?(ld|st)\\.(?:global\\.)?([a-z]\\d+)\\s.*");

  /** One element for each thread, or the numbers of a tensor or group: no vectors of elements. */
  private static final String WITHOUT_VECTORS =
      "(factor_tiles|factor_join|matrix_copy|matrix_product|numbers|groups)_\\w+"
          + "|global_norm|captured_(step|scale)"
          // Four slots: see held.
          + "|(adan|prodigy)_float64";

  static List<String> entriesWithVectors() throws IOException {
    return entries().stream().filter(entry -> !entry.matches(WITHOUT_VECTORS)).toList();
  }

  @ParameterizedTest
  @MethodSource("entriesWithVectors")
  void vectorPathsAccessWholeVectors(String entry) throws IOException {
    String text = PtxTest.ptx(entry);
    Set<String> types =
        entry.startsWith("mixed_") // whose elements are words, of whatever type
            ? Set.of("u32")
            : Set.of("f32", "f64", "u16");
    assertEquals(List.of(), partsOfVectors(text), entry + ": singly, where others are vectors");
    assertTrue(hasVector(text, "ld", types), entry + " loads no vector");
    assertEquals(
        !entry.matches("(sums|leaves)_\\w+") || movesStateBySums(entry),
        hasVector(text, "st", types),
        entry + " stores vectors");
  }

  private static boolean movesStateBySums(String entry) {
    return entry.startsWith("sums_")
        && movesState(entry.substring("sums_".length(), entry.lastIndexOf('_')));
  }

  private static boolean hasVector(String text, String direction, Set<String> types) {
    return text.lines()
        .map(line -> VECTOR.matcher(line.strip()))
        .anyMatch(m -> m.matches() && m.group(1).equals(direction) && types.contains(m.group(2)));
  }

  /**
   * Accesses of single elements between the same two labels or branches as a vector of their type.
   * Of words only stores: a group's numbers are loaded there, too.
   */
  private static List<String> partsOfVectors(String text) {
    List<String> parts = new ArrayList<>();
    List<String> block = new ArrayList<>();
    for (String line : (text + "\nend:").lines().map(String::strip).toList()) {
      if (line.endsWith(":") || line.matches("(@!?%p\\d+ )?bra\\b.*")) {
        Set<String> vectors = new TreeSet<>();
        for (String instruction : block) {
          Matcher vector = VECTOR.matcher(instruction);
          if (vector.matches()) {
            vectors.add(vector.group(2));
          }
        }
        for (String instruction : block) {
          Matcher single = SINGLE.matcher(instruction);
          if (single.matches()
              && vectors.contains(single.group(2))
              && !(single.group(1) + single.group(2)).equals("ldu32")) {
            parts.add(instruction);
          }
        }
        block.clear();
      } else {
        block.add(line);
      }
    }
    return parts;
  }

  @ParameterizedTest
  @ValueSource(strings = {"adam_float32", "sgd_float64", "lookahead_bfloat16", "mixed_adam"})
  void partsOfVectorsAreFound(String entry) throws IOException {
    Matcher vector =
        Pattern.compile("st\\.(?:global\\.)?v[24]\\.(\\w+)\\s+(\\[.*]), \\{(%\\w+), .*")
            .matcher(PtxTest.ptx(entry));
    assertTrue(vector.find(), entry);
    String single = "st.%s %s, %s;".formatted(vector.group(1), vector.group(2), vector.group(3));
    // As where an element is stored before the rest of its vector.
    String changed = vector.replaceFirst(Matcher.quoteReplacement(single + "\n" + vector.group()));
    assertEquals(List.of(single), partsOfVectors(changed));
  }

  @Test
  void statedOperationsAreRead() {
    assertEquals(new Operations(2, 1, 0, 0, 3), parse("2 fma, 1 mul, 3 sqrt"));
    for (String wrong : List.of("", "2", "fma", "2 fma and 1 mul", "1 exp")) {
      AssertionError e = assertThrows(AssertionError.class, () -> parse(wrong));
      assertTrue(e.getMessage().contains("\"" + wrong + "\""), e.getMessage());
    }
  }

  /** What the tests above must not skip. */
  @Test
  void wrongInstructionsAreFound() {
    for (String wrong :
        List.of(
            "mad.f32",
            "mul.f32",
            "fma.rn.ftz.f32",
            "div.approx.f32",
            "div.full.f32",
            "rcp.approx.ftz.f64",
            "sqrt.approx.ftz.f32",
            "ex2.approx.ftz.f32",
            "cvt.rz.f32.f64",
            "add.rz.f32")) {
      for (String line : List.of("\t" + wrong + " \t%f1, %f2, %f3;", "\t@%p1 " + wrong + " %f1;")) {
        assertEquals(List.of(wrong), instructions("\n" + line + "\n"));
      }
      assertTrue(!ROUNDED.contains(wrong.replaceAll("\\.f(32|64)$", "")));
    }
  }
}
