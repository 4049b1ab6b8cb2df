package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.natives.PrivateNatives;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.Interpolation;
import io.warmstep.testkit.RuleMatrix;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import jcuda.nvptxcompiler.JNvPTXCompiler;
import jcuda.nvptxcompiler.nvPTXCompileResult;
import jcuda.nvptxcompiler.nvPTXCompilerHandle;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The prebuilt PTX is that of the sources, and NVIDIA's assembler takes it for every architecture
 * that it knows. The assembler is a library of JCuda's that needs neither a GPU nor a driver.
 */
class PtxTest {
  private static final Path KERNELS = Path.of("kernels");
  private static final Path STAMP = KERNELS.resolve("ptx/sources.stamp");
  private static final String CLEAN =
      "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";
  private static final boolean[] BOTH = {false, true};
  private static final boolean[] JUST_THE_UPDATE = {false};

  /** Registers of a thread on sm_90: of the rules that most training goes by, in float32. */
  private static final int FEW_REGISTERS = 64;

  private static final Set<String> WITH_FEW =
      Set.of("sgd_float32", "momentum_float32", "rmsprop_float32", "adam_float32");

  /** And of the others. */
  private static final int REGISTERS = 96;

  /**
   * Of Adan in float16 with masters, codes of its four slots and an average, by this assembler:
   * that of CUDA 13.0 takes 88.
   */
  private static final int ADAN_REGISTERS = 101;

  private static final String REBUILD = ": run bin/build-ptx and commit what it writes";

  @BeforeAll
  static void loadAssembler() throws ClassNotFoundException {
    PrivateNatives.initialize("jcuda.nvptxcompiler.JNvPTXCompiler");
  }

  /** The modules' names, which are those of their entries. */
  static List<String> entries() throws IOException {
    try (Stream<Path> files = Files.list(KERNELS.resolve("ptx"))) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".ptx"))
          .map(name -> name.substring(0, name.length() - ".ptx".length()))
          .sorted()
          .toList();
    }
  }

  static String ptx(String entry) throws IOException {
    return Files.readString(KERNELS.resolve("ptx/" + entry + ".ptx"));
  }

  @Test
  void stampIsThatOfTheSourcesAndOfThePtx() throws IOException {
    TreeMap<String, String> sums = new TreeMap<>();
    for (String line : Files.readAllLines(STAMP)) {
      if (line.matches("[0-9a-f]{64} {2}.*")) {
        sums.put(line.substring(66), line.substring(0, 64));
      }
    }
    TreeSet<String> files = new TreeSet<>(sources());
    entries().forEach(entry -> files.add("ptx/" + entry + ".ptx"));
    assertEquals(files, sums.keySet(), "files in " + STAMP + REBUILD);
    for (String file : files) {
      assertEquals(sum(KERNELS.resolve(file)), sums.get(file), file + " has changed" + REBUILD);
    }
  }

  @Test
  void noContractionNoFastMath() throws IOException {
    String flags =
        Files.readAllLines(STAMP).stream().filter(s -> s.startsWith("flags ")).findAny().get();
    Set<String> given = Set.of(flags.split(" "));
    for (String flag : List.of("-fmad=false", "-ftz=false", "-prec-div=true", "-prec-sqrt=true")) {
      assertTrue(given.contains(flag), flag + " is not among the flags: " + flags);
    }
    assertTrue(given.stream().noneMatch(flag -> flag.contains("fast")), flags);
  }

  /** What all rules take together in the repository. */
  @Test
  void linesAreBounded() throws IOException {
    long lines = 0;
    for (String entry : entries()) {
      lines += ptx(entry).lines().count();
    }
    assertTrue(lines > 0 && lines <= 135_000, lines + " lines of PTX, at most 135,000 are allowed");
  }

  /** The compiler numbers the entries in labels: a new rule would change the files of others. */
  @Test
  void labelsDoNotCountEntries() throws IOException {
    for (String entry : entries()) {
      Matcher label = Pattern.compile("\\$L__BB[0-9].*").matcher(ptx(entry));
      assertFalse(label.find(), entry + REBUILD);
    }
  }

  /** The translation units and all that they include when compiled for a device. */
  private static Set<String> sources() throws IOException {
    Set<String> found = new TreeSet<>();
    collect("step.cu", found);
    collect("norm.cu", found);
    collect("sums.cu", found);
    collect("mixed.cu", found);
    collect("matrix.cu", found);
    collect("factors.cu", found);
    collect("captured.cu", found);
    return found;
  }

  private static void collect(String file, Set<String> found) throws IOException {
    if (file.equals("host_grid.h") || !found.add(file)) {
      return;
    }
    String text = Files.readString(KERNELS.resolve(file));
    Matcher include = Pattern.compile("(?m)^#include \"(.*)\"").matcher(text);
    while (include.find()) {
      collect(include.group(1), found);
    }
  }

  private static String sum(Path file) throws IOException {
    try {
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
      return HexFormat.of().formatHex(sum);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void everyRuleAndTypeHasItsEntry() throws IOException {
    Set<String> expected = new TreeSet<>(Set.of("global_norm", "captured_step", "captured_scale"));
    for (UpdateRule rule : Rules.ofEachKernel()) {
      if (!rule.isOfOneType()) {
        expected.add("mixed_" + rule.kernel());
      }
    }
    for (ElementType type : ElementType.values()) {
      for (UpdateRule rule : Rules.ofEachKernel()) {
        boolean hasEntry = type == type.arithmetic() || rule.isOfOneType();
        if (hasEntry) {
          expected.add(rule.kernel() + "_" + type);
        }
        if (hasEntry && rule.sums().isPresent()) {
          boolean hasMatrix = rule.matrix().isPresent();
          expected.add(
              hasMatrix
                  ? "first_" + rule.kernel() + "_" + type
                  : "sums_" + rule.sumsKernel() + "_" + type);
          expected.add("numbers_" + type.arithmetic());
        }
      }
      expected.add(Interpolation.PASS.name() + "_" + type);
      expected.add(Interpolation.LOOKAHEAD.name() + "_" + type);
      expected.add("leaves_" + type);
      expected.add("groups_" + type.arithmetic());
      expected.add("factor_tiles_" + type);
      expected.add("factor_join_" + type.arithmetic());
      expected.add("matrix_copy_" + type.arithmetic());
      expected.add("matrix_product_" + type.arithmetic());
    }
    assertEquals(expected, new TreeSet<>(entries()));
    for (String entry : expected) {
      assertTrue(ptx(entry).contains(".visible .entry " + entry + "("), entry);
    }
  }

  /**
   * As a launch has them: in every way to store an operand, and in one after the other. By default
   * each of them assembles for one of the architectures, and half of them as in a measured step,
   * too. That has more registers, up to the 128 with which two blocks fit a multiprocessor.
   */
  @ParameterizedTest
  @ValueSource(strings = {"sm_50", "sm_90"})
  void mixedEntriesAssembleWithConstantsInTheirRowsPlace(String architecture) throws IOException {
    List<String> texts = new ArrayList<>();
    List<String> ofMeasured = new ArrayList<>();
    for (UpdateRule rule : Rules.ofEachKernel()) {
      if (rule.isOfOneType()) {
        continue;
      }
      String entry = "mixed_" + rule.kernel();
      int slots = rule.stateSlots().size() - StepPlan.Group.kept(rule);
      assertEquals(
          IntStream.range(0, 2 + slots).boxed().collect(Collectors.toSet()),
          Pattern.compile("ld\\.global\\.u8 .* // stored (\\d+)")
              .matcher(ptx(entry))
              .results()
              .map(load -> Integer.valueOf(load.group(1)))
              .filter(operand -> operand < 2 + slots)
              .collect(Collectors.toSet()),
          entry + REBUILD);
      for (int values = 1; values <= 8; values++) { // WS_STORED_..., but codes
        boolean isNewest = (rule.kernel().hashCode() + values) % 2 == 0;
        if (!RuleMatrix.IS_FULL && isNewest != architecture.equals("sm_90")) {
          continue;
        }
        Integer[] stored = new Integer[StepPlan.MAX_OPERANDS];
        Arrays.fill(stored, 0);
        stored[0] = values;
        stored[1] = values == 2 || values == 8 ? 2 : 3;
        Arrays.fill(stored, 2, 2 + slots, List.of(1, 1, 3, 4, 9, 10, 11, 9).get(values - 1));
        boolean hasAverage = values % 2 == 0;
        for (boolean isFirst : rule.sums().isPresent() ? BOTH : JUST_THE_UPDATE) {
          assertEquals(rule.sums().isPresent(), ptx(entry).contains("// phase"), entry);
          StoredConstants constants = new StoredConstants(List.of(stored), hasAverage);
          String text = (isFirst ? constants.first() : constants).in(ptx(entry));
          assertFalse(text.contains("// stored"), entry);
          assertFalse(text.contains("// phase"), entry);
          assertFalse(text.contains("// rows"), entry);
          assertEquals(hasAverage, text.contains("// average"), entry);
          texts.add(text);
          String measured = constants.measured().in(ptx(entry));
          assertTrue(measured.contains("// rows"), entry);
          boolean isInTurn = (values - 1) / 2 % 2 == (architecture.equals("sm_90") ? 0 : 1);
          if (!isFirst && (RuleMatrix.IS_FULL || isInTurn)) {
            ofMeasured.add(measured);
          }
        }
      }
    }
    List<String> reports = assembleTexts(texts, architecture);
    assertEquals(List.of(), reports.stream().filter(report -> !report.contains(CLEAN)).toList());
    assertEquals(
        List.of(),
        assembleTexts(ofMeasured, architecture).stream()
            .filter(report -> !report.contains(CLEAN) || registers(report) > 128)
            .toList());
    if (architecture.equals("sm_90")) {
      assertEquals(
          List.of(),
          reports.stream()
              .filter(
                  report ->
                      registers(report)
                          > (report.contains("'mixed_adan'") ? ADAN_REGISTERS : REGISTERS))
              .toList(),
          "more than " + REGISTERS + " registers");
    }
  }

  /** As many blocks as the module asks for then fit a multiprocessor, by registers and memory. */
  @ParameterizedTest
  @ValueSource(strings = {"sm_50", "sm_75", "sm_90"})
  void plainStepsOf16BitsFitTheirBlocks(String architecture) throws IOException {
    int threads = architecture.equals("sm_75") ? 1024 : 2048;
    List<String> faults = new ArrayList<>();
    for (UpdateRule rule : Rules.ofEachKernel()) {
      if (rule.isOfOneType()) {
        continue;
      }
      int slots = rule.stateSlots().size() - StepPlan.Group.kept(rule);
      for (int values = 2; values <= 3; values++) { // float16, bfloat16
        Integer[] stored = new Integer[StepPlan.MAX_OPERANDS];
        Arrays.fill(stored, 0);
        Arrays.fill(stored, 0, 2, values);
        Arrays.fill(stored, 2, 2 + slots, 1); // float32
        String entry = "mixed_" + rule.kernel();
        String text = new StoredConstants(List.of(stored), false).in(ptx(entry));
        Matcher asked = Pattern.compile("\\.minnctapersm (\\d)\n").matcher(text);
        assertTrue(asked.find(), entry);
        int blocks = Math.min(Integer.parseInt(asked.group(1)), threads / 256);
        boolean isOfTheFirst = Set.of("sgd", "momentum", "rmsprop", "adam").contains(rule.kernel());
        assertTrue(blocks >= (isOfTheFirst ? 4 : 2), entry + " asks for " + blocks);
        String report = assembleText(text, architecture);
        if (!report.contains(CLEAN)
            || (registers(report) + 7) / 8 * 8 * 256 * blocks > 65_536
            || (sharedMemory(report) + 1024) * blocks > 65_536) {
          faults.add(blocks + " blocks: " + report);
        }
      }
    }
    assertEquals(List.of(), faults);
  }

  private static List<String> assembleTexts(List<String> texts, String architecture) {
    return texts.stream().parallel().map(text -> assembleText(text, architecture)).toList();
  }

  private static String header(String entry) throws IOException {
    Matcher header =
        Pattern.compile("\n\\.version (\\S+)\n\\.target (\\S+)\n\\.address_size 64\n")
            .matcher(ptx(entry));
    return header.find() ? header.group(1) + " for " + header.group(2) : "no header";
  }

  /** What the oldest driver and GPU need: see build-ptx. */
  @Test
  void versionAndTargetAreTheOldest() throws IOException {
    for (String entry : entries()) {
      // In mixed.cu warps find the largest number of a group by shuffles, of PTX 6.0 and CUDA 9.
      assertEquals(
          (entry.startsWith("mixed_") ? "6.0" : "4.0") + " for sm_50", header(entry), entry);
    }
  }

  /**
   * The architectures of graphics cards up to sm_90; those between are of boards with ARM
   * processors, for which JCuda has no native library. Later ones assemble the same text: see
   * build-ptx. By default the oldest and the newest assemble all entries, and each entry another;
   * those of mixed.cu, which take the longest and no launch has as they are, one in turn.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "sm_52", "sm_60", "sm_61", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_50", "sm_90"
      })
  void everyEntryAssemblesWithoutStackAndSpills(String architecture) throws IOException {
    List<String> entries = List.copyOf(entries());
    List<String> architectures =
        List.of("52", "60", "61", "70", "75", "80", "86", "89", "50", "90");
    int turn = architectures.indexOf(architecture.substring(3));
    List<String> reports =
        IntStream.range(0, entries.size())
            .filter(
                i ->
                    RuleMatrix.IS_FULL
                        || (entries.get(i).startsWith("mixed_")
                            ? i % 10 == turn
                            : turn >= 8 || i % 8 == turn))
            .parallel()
            .mapToObj(i -> assemble(entries.get(i), architecture))
            .toList();
    assertEquals(
        List.of(),
        reports.stream().filter(report -> !report.contains(CLEAN)).collect(Collectors.toList()),
        "on "
            + architecture
            + "; if the entry is a rule's in float32 or float64 and WS_<RULE>_BLOCKS is 0 in the"
            + " rule's header, make it 2: see kernels/rules.h");
  }

  /** Those of float64, and of rules that take no other way to store operands. */
  @Test
  void entriesForATypeMeasureWhatMixedOnesDoNot() throws IOException {
    Set<String> expected = new TreeSet<>();
    for (UpdateRule rule : Rules.ofEachKernel()) {
      for (ElementType type : ElementType.values()) {
        if (type == ElementType.FLOAT64 || rule.isOfOneType()) {
          expected.add(rule.kernel() + "_" + type);
        }
      }
    }
    Set<String> measuring = new TreeSet<>();
    for (String entry : entries()) {
      if (!entry.startsWith("mixed_") && ptx(entry).contains("// rows")) {
        measuring.add(entry);
        assertTrue(ptx(entry).contains(".extern .shared"), entry + REBUILD);
      }
    }
    assertEquals(expected, measuring, REBUILD);
  }

  /**
   * As steps have them that are not measured, but for mixed entries, which no launch has as they
   * are: see the test of theirs. Where steps are measured, two blocks fit a multiprocessor.
   */
  @Test
  void registersAreFew() throws IOException {
    List<String> entries = entries().stream().filter(name -> !name.startsWith("mixed_")).toList();
    Map<String, Integer> more = new ConcurrentSkipListMap<>();
    entries.stream()
        .parallel()
        .forEach(
            entry -> {
              String measured = assemble(entry, "sm_90");
              int registers = registers(measured);
              if (text(entry).contains("// rows")) {
                assertTrue(registers <= 128, measured);
                String usual = assembleText(StoredConstants.OF_TYPE.in(text(entry)), "sm_90");
                assertTrue(usual.contains(CLEAN), () -> entry + " as steps load it: " + usual);
                registers = registers(usual);
              }
              if (registers > (WITH_FEW.contains(entry) ? FEW_REGISTERS : REGISTERS)) {
                more.put(entry, registers);
              }
            });
    assertTrue(entries.containsAll(WITH_FEW));
    assertEquals(Map.of(), more, "with more registers");
  }

  private static String text(String entry) {
    try {
      return ptx(entry);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int sharedMemory(String report) {
    Matcher used = Pattern.compile("(\\d+) bytes smem").matcher(report);
    return used.find() ? Integer.parseInt(used.group(1)) : 0;
  }

  private static int registers(String report) {
    Matcher used = Pattern.compile("Used (\\d+) registers").matcher(report);
    assertTrue(used.find(), report);
    return Integer.parseInt(used.group(1));
  }

  private static final Map<String, String> REPORTS = new ConcurrentHashMap<>(1000);

  /** What the assembler reports, whichever test asks first. */
  private static String assemble(String entry, String architecture) {
    return REPORTS.computeIfAbsent(
        entry + " for " + architecture,
        key -> {
          try {
            return entry + ": " + assembleText(ptx(entry), architecture);
          } catch (IOException e) {
            return e.toString();
          }
        });
  }

  private static String assembleText(String text, String architecture) {
    nvPTXCompilerHandle compiler = new nvPTXCompilerHandle();
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    byte[] ended = Arrays.copyOf(bytes, bytes.length + 1);
    int created = JNvPTXCompiler.nvPTXCompilerCreate(compiler, ended.length, ended);
    if (created != nvPTXCompileResult.NVPTXCOMPILE_SUCCESS) {
      return nvPTXCompileResult.stringFor(created);
    }
    try {
      String[] options = {"--gpu-name=" + architecture, "--verbose"};
      int result = JNvPTXCompiler.nvPTXCompilerCompile(compiler, options.length, options);
      return nvPTXCompileResult.stringFor(result)
          + "\n"
          + (result == nvPTXCompileResult.NVPTXCOMPILE_SUCCESS ? info(compiler) : error(compiler));
    } finally {
      JNvPTXCompiler.nvPTXCompilerDestroy(compiler);
    }
  }

  private static String info(nvPTXCompilerHandle compiler) {
    long[] size = new long[1];
    JNvPTXCompiler.nvPTXCompilerGetInfoLogSize(compiler, size);
    byte[] log = new byte[Math.toIntExact(size[0]) + 1];
    JNvPTXCompiler.nvPTXCompilerGetInfoLog(compiler, log);
    return new String(log, StandardCharsets.US_ASCII);
  }

  private static String error(nvPTXCompilerHandle compiler) {
    long[] size = new long[1];
    JNvPTXCompiler.nvPTXCompilerGetErrorLogSize(compiler, size);
    byte[] log = new byte[Math.toIntExact(size[0]) + 1];
    JNvPTXCompiler.nvPTXCompilerGetErrorLog(compiler, log);
    return new String(log, StandardCharsets.US_ASCII);
  }
}
