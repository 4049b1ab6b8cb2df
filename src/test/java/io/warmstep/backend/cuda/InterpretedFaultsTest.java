package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import jcuda.driver.CUdeviceptr;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the interpreter must find in kernels that are wrong, and must not find in right ones. */
@Tag("ptxsim")
class InterpretedFaultsTest {
  private static final int ILLEGAL_ADDRESS = 700;
  private static final int TIMEOUT = 702;
  private static final int MISALIGNED = 716;

  /**
   * An entry {@code k} with the address of memory in %rd1, a number in %r1, the thread's number in
   * %r2 and that times four in %r3, and 1024 bytes of shared memory. Its first statement is in line
   * 15.
   */
  private static String entry(String... statements) {
    return """
    .version 6.0
    .target sm_70
    .address_size 64
    .visible .entry k(.param .u64 k_0, .param .u32 k_1) {
    .reg .pred %p<9>;
    .reg .b16 %rs<9>;
    .reg .b32 %r<99>;
    .reg .b64 %rd<19>;
    .reg .f32 %f<9>;
    .shared .align 8 .b8 s[1024];
    ld.param.u64 %rd1, [k_0];
    ld.param.u32 %r1, [k_1];
    mov.u32 %r2, %tid.x;
    shl.b32 %r3, %r2, 2;
    """
        + String.join("\n", statements)
        + "\n}\n";
  }

  /** Statements that make %rd3 the address of the thread's own four bytes. */
  private static final String OWN = "mul.wide.u32 %rd2, %r2, 4; add.s64 %rd3, %rd1, %rd2;";

  /** Runs one block on 64 ints that are set; the code. */
  private static int run(int threads, int number, String... statements) {
    try (PtxModule module = new PtxModule(entry(statements))) {
      CUdeviceptr memory = module.copyOf(new int[64]);
      return module.launch("k", new int[] {1}, new int[] {threads}, 0, memory, number);
    }
  }

  private static void assertFound(
      CudaSim.Fault fault, int line, int code, int threads, String... statements) {
    long before = CudaSim.violations();
    try {
      assertEquals(code, run(threads, 0, statements));
      assertTrue(CudaSim.violations() > before, "nothing was found");
      assertEquals(fault, CudaSim.fault());
      assertEquals(line, CudaSim.faultLine());
    } finally {
      CudaSim.recover();
      CudaSim.forget(CudaSim.violations() - before);
    }
  }

  private static void assertClean(int threads, String... statements) {
    long before = CudaSim.violations();
    assertEquals(0, run(threads, 0, statements));
    assertEquals(before, CudaSim.violations(), "violations, printed as cudasim: ...");
  }

  @Test
  void accessesOutsideOfAllocations() {
    assertClean(64, OWN, "st.global.u32 [%rd3], %r2;");
    assertFound(CudaSim.Fault.BOUNDS, 16, ILLEGAL_ADDRESS, 65, OWN, "st.global.u32 [%rd3], %r2;");
    assertFound(CudaSim.Fault.BOUNDS, 16, ILLEGAL_ADDRESS, 64, OWN, "st.global.u32 [%rd3+4], %r2;");
    assertFound(
        CudaSim.Fault.BOUNDS, 16, ILLEGAL_ADDRESS, 64, OWN, "ld.global.u32 %r4, [%rd3+-4];");
    assertFound(
        CudaSim.Fault.BOUNDS,
        16,
        ILLEGAL_ADDRESS,
        1,
        "mov.u64 %rd4, 0;",
        "ld.global.u32 %r4, [%rd4];");
    assertFound(
        CudaSim.Fault.BOUNDS,
        16,
        ILLEGAL_ADDRESS,
        64,
        "mov.u32 %r4, s; add.u32 %r4, %r4, %r3;",
        "st.shared.u32 [%r4+1000], %r2;");
    assertFound(CudaSim.Fault.BOUNDS, 15, ILLEGAL_ADDRESS, 1, "ld.param.u64 %rd4, [k_0+16];");
    assertFound(
        CudaSim.Fault.MISALIGNED, 16, MISALIGNED, 4, OWN, "ld.global.v2.u32 {%r4, %r5}, [%rd3];");
  }

  @Test
  void afterAFatalFaultTheContextIsLost() {
    long before = CudaSim.violations();
    try (PtxModule module = new PtxModule(entry(OWN, "st.global.u32 [%rd3], %r2;"))) {
      CUdeviceptr memory = module.copyOf(new int[1]);
      for (int i = 0; i < 2; i++) {
        assertEquals(
            ILLEGAL_ADDRESS, module.launch("k", new int[] {1}, new int[] {32}, 0, memory, 0));
        assertEquals(before + 1, CudaSim.violations());
      }
      CudaSim.recover();
      assertEquals(0, module.launch("k", new int[] {1}, new int[] {1}, 0, memory, 0));
    } finally {
      CudaSim.recover();
      CudaSim.forget(CudaSim.violations() - before);
    }
  }

  @Test
  void valuesThatWereNeverSet() {
    // A register is looked at where it decides or leaves the thread, not where it is copied.
    assertClean(32, "mov.u32 %r9, %r8; add.u32 %r7, %r9, 1;");
    assertFound(CudaSim.Fault.UNSET, 16, 0, 32, OWN, "st.global.u32 [%rd3], %r8;");
    assertFound(
        CudaSim.Fault.UNSET, 16, 0, 32, "setp.eq.u32 %p1, %r8, 0;", "@%p1 bra L;", "L: ret;");
    assertFound(CudaSim.Fault.UNSET, 15, 0, 32, "@%p1 mov.u32 %r4, 0;");
    assertFound(
        CudaSim.Fault.UNSET,
        17,
        0,
        32,
        "setp.lt.u32 %p1, %r2, 16;",
        "@%p1 mov.u32 %r9, 7;",
        OWN + "st.global.u32 [%rd3], %r9;");
    assertClean(
        32,
        "setp.lt.u32 %p1, %r2, 16;",
        "@%p1 mov.u32 %r9, 7;",
        OWN + "@%p1 st.global.u32 [%rd3], %r9;");
    // Shared memory that nobody wrote.
    assertFound(
        CudaSim.Fault.UNSET,
        17,
        0,
        32,
        "mov.u32 %r4, s;",
        "ld.shared.u32 %r5, [%r4];",
        OWN + "st.global.u32 [%rd3], %r5;");
    try (PtxModule module =
        new PtxModule(entry("ld.global.u32 %r4, [%rd1];", "st.global.u32 [%rd1+4], %r4;"))) {
      long before = CudaSim.violations();
      CUdeviceptr memory = module.allocate(8);
      module.run("k", 1, 1, memory, 0);
      assertEquals(CudaSim.Fault.UNSET, CudaSim.fault());
      CudaSim.forget(CudaSim.violations() - before);
    }
  }

  @Test
  void dataRaces() {
    String[] reversed = {
      "mov.u32 %r4, s; add.u32 %r5, %r4, %r3; sub.u32 %r6, 252, %r3; add.u32 %r6, %r4, %r6;",
      "st.shared.u32 [%r5], %r2;",
      "bar.sync 0;",
      "ld.shared.u32 %r7, [%r6];",
      "bar.sync 0;",
      "st.shared.u32 [%r5], %r7;"
    };
    assertClean(64, reversed);
    assertFound(CudaSim.Fault.RACE, 17, 0, 64, reversed[0], reversed[1], reversed[3], reversed[4]);
    assertFound(
        CudaSim.Fault.RACE,
        19,
        0,
        64,
        reversed[0],
        reversed[1],
        reversed[2],
        reversed[3],
        reversed[5]);
    // Within a warp a barrier of the warp will do.
    String own = OWN + "st.global.u32 [%rd3], %r2; xor.b32 %r4, %r2, 1;";
    String neighbour =
        "mul.wide.u32 %rd4, %r4, 4; add.s64 %rd4, %rd1, %rd4; ld.global.u32 %r5, [%rd4];";
    assertFound(CudaSim.Fault.RACE, 16, 0, 32, own, neighbour);
    assertClean(32, own, "bar.warp.sync 0xffffffff;", neighbour);
    assertClean(32, own, "bar.sync 0;", neighbour);
    // Two threads write one place: other values, the same, or as an atomic.
    assertFound(CudaSim.Fault.RACE, 15, 0, 2, "st.global.u32 [%rd1], %r2;");
    assertClean(2, "st.global.u32 [%rd1], 0;");
    assertClean(64, "red.global.add.u32 [%rd1], %r2;");
    // Halves of a word are two places.
    assertClean(
        64,
        "cvt.u16.u32 %rs1, %r2; mul.wide.u32 %rd2, %r2, 2; add.s64 %rd3, %rd1, %rd2;",
        "st.global.u16 [%rd3], %rs1;");
  }

  @Test
  void barriersThatNotAllReach() {
    String low = "setp.lt.u32 %p1, %r2, 32;";
    assertFound(
        CudaSim.Fault.BARRIER,
        17,
        0,
        64,
        low,
        "@%p1 bra L;",
        "bar.sync 0;",
        "ret;",
        "L: bar.sync 0;");
    assertFound(
        CudaSim.Fault.BARRIER,
        17,
        0,
        32,
        "setp.lt.u32 %p1, %r2, 5;",
        "@%p1 bra L;",
        "bar.sync 0;",
        "ret;",
        "L: bar.sync 0;");
    // Threads that have left are not waited for; and ways that join before the barrier are one.
    assertClean(64, low, "@%p1 ret;", "bar.sync 0;");
    assertClean(
        64, "setp.lt.u32 %p1, %r2, 5;", "@%p1 bra M;", "N: bar.sync 0;", "ret;", "M: bra N;");
    assertFound(
        CudaSim.Fault.BARRIER,
        17,
        0,
        32,
        "setp.lt.u32 %p1, %r2, 5; mov.u32 %r4, 0;",
        "@%p1 bra L;",
        "shfl.sync.idx.b32 %r5, %r2, 0, 31, 0xffffffff;",
        "ret;",
        "L: bar.sync 0;");
    assertFound(
        CudaSim.Fault.BARRIER,
        17,
        0,
        32,
        "setp.lt.u32 %p1, %r2, 5;",
        "@%p1 bra L;",
        "vote.sync.any.pred %p2, %p1, 0xffffffff;",
        "ret;",
        "L: bar.sync 0;");
  }

  @Test
  void loopsWithoutEnd() {
    assertFound(CudaSim.Fault.ENDLESS, 15, TIMEOUT, 1, "L: bra L;");
  }

  @Test
  void trapsAndWritesToWhatIsOnlyRead() {
    assertFound(CudaSim.Fault.TRAP, 16, 719, 4, "setp.eq.u32 %p1, %r2, 3;", "@%p1 trap;");
    String text = entry("mov.u64 %rd2, c;", "cvta.const.u64 %rd2, %rd2; st.u32 [%rd2], 1;");
    text = text.replace(".visible", ".const .u32 c = 5;\n.visible");
    long before = CudaSim.violations();
    try (PtxModule module = new PtxModule(text)) {
      int code = module.launch("k", new int[] {1}, new int[] {1}, 0, module.copyOf(0), 0);
      assertEquals(ILLEGAL_ADDRESS, code);
      assertEquals(CudaSim.Fault.READ_ONLY, CudaSim.fault());
    } finally {
      CudaSim.recover();
      CudaSim.forget(CudaSim.violations() - before);
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "ex2.approx.f32 %f1, %f2;|ex2.approx.f32 is refused: its result is not that of IEEE 754",
        "div.full.f32 %f1, %f2, %f3;|div.full.f32 is refused",
        "add.rn.ftz.f32 %f1, %f2, %f3;|add.rn.ftz.f32 is refused: it takes subnormal",
        "tanh.f32 %f1, %f2;|instruction tanh.f32 is not known",
        "fma.f32 %f1, %f2, %f3, %f4;|instruction fma.f32 is not known",
        "add.sat.s32 %r4, %r2, %r3;|instruction add.sat.s32 is not known: .sat",
        "add.u32 %r4, %r2, %rd1;|register %rd1 has another size than the type",
        "add.u32 %r4, %r2;|add.u32 has 2 operands, must have 3",
        "add.u32 %r4, %r2, %x;|'%x' is neither a known special register nor declared",
        "bra NOWHERE;|bra goes to no label that is there",
        "bar.sync 1;|only barrier 0 is known",
        "call.uni f;|instruction call.uni is not known",
        "ld.global.f32 %f1, [%rd1;|']' is expected",
        "mov.u32 %r4, 0q;|'0q' is no number"
      })
  void whatIsNotKnownIsRefusedWithItsLine(String statement, String message) {
    String log = PtxModule.refusalOf(entry("mov.u32 %r4, 0;", statement));
    assertTrue(log.startsWith("cudasim: line 16: "), log);
    assertTrue(log.contains(message), log);
  }

  /** 64-bit offsets, blocks in three dimensions and special registers. */
  @Test
  void threadsKnowWhereTheyAre() {
    String store = "st.global.v4.u32 [%rd3], {%r4, %r5, %r6, %r7};";
    String text =
        entry(
            "mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y; mov.u32 %r6, %tid.y;",
            "mov.u32 %r7, %laneid; mov.u32 %r8, %nctaid.x; mov.u32 %r9, %ntid.x;",
            "mov.u32 %r10, %ntid.y; mad.lo.u32 %r11, %r5, %r8, %r4;",
            "mad.lo.u32 %r11, %r11, %r10, %r6; mad.lo.u32 %r11, %r11, %r9, %r2;",
            "mad.wide.u32 %rd3, %r11, 16, %rd1;",
            store);
    try (PtxModule module = new PtxModule(text)) {
      int count = 3 * 2 * 40 * 3;
      CUdeviceptr memory = module.allocate(16L * count);
      assertEquals(0, module.launch("k", new int[] {3, 2}, new int[] {40, 3}, 0, memory, 0));
      int[] expected = new int[4 * count];
      for (int i = 0; i < count; i++) {
        int thread = i % 120;
        int block = i / 120;
        List<Integer> one = List.of(block % 3, block / 3, thread / 40, thread % 32);
        for (int k = 0; k < 4; k++) {
          expected[4 * i + k] = one.get(k);
        }
      }
      assertArrayEquals(expected, module.ints(memory, expected.length));
    }
  }
}
