package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import jcuda.driver.CUdeviceptr;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Single instructions on chosen bits, against the bits that the manual of PTX or IEEE 754 says, and
 * on random bits against Java's operations.
 */
@Tag("ptxsim")
class InterpretedInstructionsTest {
  private static final Path TABLE = Path.of("native/cudasim/test/instructions.txt");

  /** One line of the table: an instruction, its operands' bits and the result's. */
  private record Row(
      int line,
      String instruction,
      List<Long> operands,
      List<Integer> widths,
      long result,
      int width) {}

  private static List<Row> table() throws IOException {
    List<Row> rows = new ArrayList<>();
    int number = 0;
    for (String line : Files.readAllLines(TABLE)) {
      number++;
      if (line.isBlank() || line.startsWith("#")) {
        continue;
      }
      String[] sides = line.split("=", -1);
      String[] words = sides[0].strip().split(" +", -1);
      List<Long> operands = new ArrayList<>();
      List<Integer> widths = new ArrayList<>();
      for (int i = 1; i < words.length; i++) {
        operands.add(Long.parseUnsignedLong(words[i], 16));
        widths.add(4 * words[i].length());
      }
      String result = sides[1].strip();
      rows.add(
          new Row(
              number,
              words[0],
              operands,
              widths,
              Long.parseUnsignedLong(result, 16),
              4 * result.length()));
    }
    return rows;
  }

  /** A register of a width, or a predicate, for which a single digit stands. */
  private static String register(int width, int index) {
    return switch (width) {
      case 4 -> "%p" + index;
      case 16 -> "%rs" + index;
      case 32 -> "%r" + index;
      case 64 -> "%rd" + index;
      default -> throw new IllegalArgumentException(width + " bits");
    };
  }

  private static String set(int width, int index, long bits) {
    return width == 4
        ? "setp.ne.u32 %p" + index + ", " + bits + ", 0;"
        : "mov.b" + width + " " + register(width, index) + ", 0x" + Long.toHexString(bits) + ";";
  }

  @Test
  void haveTheBitsOfTheTable() throws IOException {
    List<Row> rows = table();
    assertTrue(rows.size() > 100, rows.size() + " rows");
    StringBuilder text =
        new StringBuilder(
            """
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry k(.param .u64 k_0) {
            .reg .pred %p<9>;
            .reg .b16 %rs<9>;
            .reg .b32 %r<9>;
            .reg .b64 %rd<9>;
            ld.param.u64 %rd0, [k_0];
            """);
    for (int i = 0; i < rows.size(); i++) {
      Row row = rows.get(i);
      StringBuilder instruction =
          new StringBuilder(row.instruction() + " " + register(row.width(), 8));
      for (int k = 0; k < row.operands().size(); k++) {
        int width = row.widths().get(k);
        text.append(set(width, k + 1, row.operands().get(k))).append('\n');
        instruction.append(", ").append(register(width, k + 1));
      }
      text.append(instruction).append(";\n");
      switch (row.width()) {
        case 4 -> text.append("selp.b64 %rd8, 1, 0, %p8;\n");
        case 16 -> text.append("cvt.u64.u16 %rd8, %rs8;\n");
        case 32 -> text.append("cvt.u64.u32 %rd8, %r8;\n");
        default -> {}
      }
      text.append("st.global.u64 [%rd0+").append(8 * i).append("], %rd8;\n");
    }
    text.append("}\n");
    try (PtxModule module = new PtxModule(text.toString())) {
      CUdeviceptr results = module.allocate(8L * rows.size());
      module.run("k", 1, 1, results);
      long[] actual = module.longs(results, rows.size());
      List<String> wrong = new ArrayList<>();
      for (int i = 0; i < rows.size(); i++) {
        Row row = rows.get(i);
        if (actual[i] != row.result()) {
          wrong.add(
              "line %d, %s: %x, must be %x"
                  .formatted(row.line(), row.instruction(), actual[i], row.result()));
        }
      }
      assertEquals(List.of(), wrong);
    }
  }

  /** nvcc writes {@code xor.pred %p1, %p1, -1} for a predicate's opposite. */
  @Test
  void predicatesCombineWithConstants() {
    StringBuilder text =
        new StringBuilder(
            """
            .version 7.8
            .target sm_80
            .address_size 64
            .visible .entry k(.param .u64 k_0) {
            .reg .pred %p<4>;
            .reg .b64 %rd<9>;
            ld.param.u64 %rd0, [k_0];
            """);
    List<Long> expected = new ArrayList<>();
    for (String operation : List.of("and", "or", "xor")) {
      for (int predicate = 0; predicate < 2; predicate++) {
        for (int constant : new int[] {-1, 0, 1, 2}) {
          for (boolean isFirst : new boolean[] {false, true}) {
            String operands = isFirst ? constant + ", %p1" : "%p1, " + constant;
            text.append("setp.ne.u32 %p1, ").append(predicate).append(", 0;\n");
            text.append(operation).append(".pred %p2, ").append(operands).append(";\n");
            text.append("selp.b64 %rd8, 1, 0, %p2;\n");
            text.append("st.global.u64 [%rd0+").append(8 * expected.size()).append("], %rd8;\n");
            int other = constant == 0 ? 0 : 1;
            expected.add(
                (long)
                    switch (operation) {
                      case "and" -> predicate & other;
                      case "or" -> predicate | other;
                      default -> predicate ^ other;
                    });
          }
        }
      }
    }
    text.append("}\n");
    try (PtxModule module = new PtxModule(text.toString())) {
      CUdeviceptr results = module.allocate(8L * expected.size());
      module.run("k", 1, 1, results);
      assertEquals(
          expected, Arrays.stream(module.longs(results, expected.size())).boxed().toList());
    }
  }

  /** What Java does with three floats. */
  @FunctionalInterface
  private interface OfFloats {
    float apply(float a, float b, float c);
  }

  @FunctionalInterface
  private interface OfDoubles {
    double apply(double a, double b, double c);
  }

  private static String kernel(String type, String instruction) {
    int size = type.equals("f32") ? 4 : 8;
    return """
    .version 7.8
    .target sm_80
    .address_size 64
    .visible .entry k(.param .u64 k_0, .param .u64 k_1) {
    .reg .b32 %%r<9>;
    .reg .b64 %%rd<9>;
    .reg .%1$s %%f<5>;
    ld.param.u64 %%rd1, [k_0];
    ld.param.u64 %%rd2, [k_1];
    mov.u32 %%r1, %%ctaid.x;
    mov.u32 %%r2, %%ntid.x;
    mov.u32 %%r3, %%tid.x;
    mad.lo.u32 %%r4, %%r1, %%r2, %%r3;
    mad.wide.u32 %%rd3, %%r4, %2$d, %%rd1;
    mad.wide.u32 %%rd4, %%r4, %3$d, %%rd2;
    ld.global.%1$s %%f1, [%%rd3];
    ld.global.%1$s %%f2, [%%rd3+%3$d];
    ld.global.%1$s %%f3, [%%rd3+%4$d];
    %5$s;
    st.global.%1$s [%%rd4], %%f4;
    }
    """
        .formatted(type, 3 * size, size, 2 * size, instruction);
  }

  private static final int COUNT = 1 << 14;

  /** Bits of every kind: any, near 1, subnormal, special. */
  private static long bits(SplittableRandom random, int fraction, int exponent) {
    long one = (1L << (exponent - 1)) - 1;
    long sign = random.nextLong() << (fraction + exponent);
    long low = random.nextLong() & ((1L << fraction) - 1);
    long e =
        switch (random.nextInt(6)) {
          case 0 -> 0;
          case 1 -> (1L << exponent) - 1 - random.nextInt(2);
          case 2, 3 -> one + random.nextInt(-3, 4);
          default -> random.nextLong() & ((1L << exponent) - 1);
        };
    if (random.nextInt(8) == 0) {
      low = 0;
    }
    return sign | e << fraction | low;
  }

  private static void compareFloats(String instruction, OfFloats java) {
    SplittableRandom random = new SplittableRandom(instruction.hashCode());
    float[] x = new float[3 * COUNT];
    for (int i = 0; i < x.length; i++) {
      x[i] = Float.intBitsToFloat((int) bits(random, 23, 8));
    }
    try (PtxModule module = new PtxModule(kernel("f32", instruction))) {
      CUdeviceptr y = module.allocate(4L * COUNT);
      module.run("k", COUNT / 256, 256, module.copyOf(x), y);
      int[] actual = module.ints(y, COUNT);
      for (int i = 0; i < COUNT; i++) {
        float expected = java.apply(x[3 * i], x[3 * i + 1], x[3 * i + 2]);
        int bits = Float.isNaN(expected) ? 0x7fffffff : Float.floatToRawIntBits(expected);
        assertEquals(Integer.toHexString(bits), Integer.toHexString(actual[i]), instruction);
      }
    }
  }

  private static void compareDoubles(String instruction, OfDoubles java) {
    SplittableRandom random = new SplittableRandom(instruction.hashCode());
    double[] x = new double[3 * COUNT];
    for (int i = 0; i < x.length; i++) {
      x[i] = Double.longBitsToDouble(bits(random, 52, 11));
    }
    try (PtxModule module = new PtxModule(kernel("f64", instruction))) {
      CUdeviceptr y = module.allocate(8L * COUNT);
      module.run("k", COUNT / 256, 256, module.copyOf(x), y);
      long[] actual = module.longs(y, COUNT);
      for (int i = 0; i < COUNT; i++) {
        double expected = java.apply(x[3 * i], x[3 * i + 1], x[3 * i + 2]);
        long bits =
            Double.isNaN(expected) ? 0xfff8000000000000L : Double.doubleToRawLongBits(expected);
        assertEquals(Long.toHexString(bits), Long.toHexString(actual[i]), instruction);
      }
    }
  }

  @Test
  void float32IsJavas() {
    compareFloats("add.rn.f32 %f4, %f1, %f2", (a, b, c) -> a + b);
    compareFloats("sub.rn.f32 %f4, %f1, %f2", (a, b, c) -> a - b);
    compareFloats("mul.rn.f32 %f4, %f1, %f2", (a, b, c) -> a * b);
    compareFloats("div.rn.f32 %f4, %f1, %f2", (a, b, c) -> a / b);
    compareFloats("fma.rn.f32 %f4, %f1, %f2, %f3", Math::fma);
    compareFloats("sqrt.rn.f32 %f4, %f1", (a, b, c) -> (float) Math.sqrt(a));
    compareFloats("rcp.rn.f32 %f4, %f1", (a, b, c) -> 1 / a);
    compareFloats("min.NaN.f32 %f4, %f1, %f2", (a, b, c) -> Math.min(a, b));
    compareFloats("max.NaN.f32 %f4, %f1, %f2", (a, b, c) -> Math.max(a, b));
    compareFloats(
        "max.f32 %f4, %f1, %f2",
        (a, b, c) -> Float.isNaN(a) ? b : Float.isNaN(b) ? a : Math.max(a, b));
  }

  /**
   * Off by up to 2^-23, to both sides, as kernels that use approximations must allow for; zeros and
   * what is not finite as {@code rn} gives it. Where {@code ftz} says so, a subnormal number is 0.
   */
  @ParameterizedTest
  @ValueSource(strings = {"rcp.approx.ftz.f32", "sqrt.approx.f32", "sqrt.approx.ftz.f32"})
  void approximationsAreAsWrongAsTheyMayBe(String operation) {
    SplittableRandom random = new SplittableRandom(7);
    float[] x = new float[3 * COUNT];
    for (int i = 0; i < x.length; i++) {
      x[i] = Float.intBitsToFloat((int) bits(random, 23, 8));
    }
    double[] furthest = new double[2];
    try (PtxModule module = new PtxModule(kernel("f32", operation + " %f4, %f1"))) {
      CUdeviceptr y = module.allocate(4L * COUNT);
      module.run("k", COUNT / 256, 256, module.copyOf(x), y);
      int[] actual = module.ints(y, COUNT);
      for (int i = 0; i < COUNT; i++) {
        boolean flushes = operation.contains("ftz");
        float of = flushes ? flushed(x[3 * i]) : x[3 * i];
        double exact = operation.startsWith("rcp") ? 1.0 / of : Math.sqrt(of);
        float result = Float.intBitsToFloat(actual[i]);
        if (exact > Float.MIN_NORMAL && exact < Float.MAX_VALUE) {
          double off = result / exact - 1;
          assertTrue(Math.abs(off) <= 0x1p-23, operation + " of " + of + ": " + result);
          furthest[0] = Math.min(furthest[0], off);
          furthest[1] = Math.max(furthest[1], off);
        } else if (!(exact < 0 && exact > Double.NEGATIVE_INFINITY)) { // which no kernel asks for
          float expected = flushes ? flushed((float) exact) : (float) exact;
          assertEquals(expected, result, operation + " of " + of);
        }
      }
    }
    assertTrue(furthest[0] < -0x1.fp-24 && furthest[1] > 0x1.fp-24, Arrays.toString(furthest));
  }

  private static float flushed(float x) {
    return Math.abs(x) < Float.MIN_NORMAL ? Math.copySign(0, x) : x;
  }

  @Test
  void float64IsJavas() {
    compareDoubles("add.rn.f64 %f4, %f1, %f2", (a, b, c) -> a + b);
    compareDoubles("mul.rn.f64 %f4, %f1, %f2", (a, b, c) -> a * b);
    compareDoubles("div.rn.f64 %f4, %f1, %f2", (a, b, c) -> a / b);
    compareDoubles("fma.rn.f64 %f4, %f1, %f2, %f3", Math::fma);
    compareDoubles("sqrt.rn.f64 %f4, %f1", (a, b, c) -> Math.sqrt(a));
    compareDoubles(
        "min.f64 %f4, %f1, %f2",
        (a, b, c) -> Double.isNaN(a) ? b : Double.isNaN(b) ? a : Math.min(a, b));
  }
}
