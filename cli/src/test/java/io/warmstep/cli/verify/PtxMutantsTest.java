package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Changes of the PTX reach every instruction of their kind, in whatever form nvcc writes it. */
class PtxMutantsTest {
  static List<String> entries() throws IOException {
    return InterpretedEntriesTest.entries();
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyAccessIsMoved(String entry) throws IOException {
    reaches(entry, PtxMutants.Kind.OFFSET, "\\s*(@!?%p\\d+ )?(ld|st)\\.(?!param).*\\[%.*");
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyStoreOfAVectorIsShortened(String entry) throws IOException {
    reaches(entry, PtxMutants.Kind.SHORT_STORE, "\\s*(@!?%p\\d+ )?st\\..*\\{.*");
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyStoreIsLeftOut(String entry) throws IOException {
    reaches(entry, PtxMutants.Kind.NO_STORE, "\\s*(@!?%p\\d+ )?st\\..*");
  }

  private static void reaches(String entry, PtxMutants.Kind kind, String form) throws IOException {
    List<String> text = InterpretedMutantsTest.text(entry);
    Predicate<String> isOne = Pattern.compile(form).asMatchPredicate();
    assertEquals(
        IntStream.range(0, text.size())
            .filter(i -> isOne.test(text.get(i)))
            .mapToObj(i -> i + 1)
            .toList(),
        PtxMutants.of(entry, text, kind).stream().map(PtxMutants.Mutant::line).toList(),
        entry + ": lines");
  }

  /** But for those that it has no place for: it adds up no product by itself, and does not wait. */
  @Test
  void anUpdateHasChangesOfAllKinds() throws IOException {
    List<String> text = InterpretedMutantsTest.text("adam_float32");
    assertEquals(
        EnumSet.of(PtxMutants.Kind.CONTRACTED, PtxMutants.Kind.NO_BARRIER),
        Stream.of(PtxMutants.Kind.values())
            .filter(kind -> PtxMutants.of("adam_float32", text, kind).isEmpty())
            .collect(Collectors.toSet()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "OFFSET      | ld.global.u64 %rd64, [%rd2+8]; | ld.global.u64 %rd64, [%rd2+16];",
        "OFFSET      | st.f32 [%rd64], %f1;           | st.f32 [%rd64+4], %f1;",
        "OFFSET      | ld.u16 %rs1, [%rd1];           | ld.u16 %rs1, [%rd1+2];",
        "OFFSET      | ld.v4.u16 {%rs1, %rs2, %rs3, %rs4}, [%rd1+-8];"
            + " | ld.v4.u16 {%rs1, %rs2, %rs3, %rs4}, [%rd1+0];",
        "OFFSET      | @%p1 st.shared.v2.f64 [%r1], {%fd1, %fd2};"
            + " | @%p1 st.shared.v2.f64 [%r1+16], {%fd1, %fd2};",
        "OFFSET      | st.volatile.global.u8 [%rd1], %rs1; | st.volatile.global.u8 [%rd1+1], %rs1;",
        "SHORT_STORE | st.v2.f64 [%rd1], {%fd1, %fd2};     | st.f64 [%rd1+0], %fd1;",
        "SHORT_STORE | st.global.v4.u16 [%rd1+8], {%rs1, %rs2, %rs3, %rs4};"
            + " | st.global.u16 [%rd1+8], %rs1; st.global.u16 [%rd1+10], %rs2;"
            + " st.global.u16 [%rd1+12], %rs3;",
        "SHORT_STORE | st.shared.v2.f32 [%r1], {%f1, %f2}; | st.shared.f32 [%r1+0], %f1;",
      })
  void changesAreWhatTheySay(PtxMutants.Kind kind, String before, String after) {
    assertEquals(
        List.of(after),
        PtxMutants.of("entry", List.of(before), kind).stream()
            .map(mutant -> mutant.after().strip())
            .toList());
  }
}
