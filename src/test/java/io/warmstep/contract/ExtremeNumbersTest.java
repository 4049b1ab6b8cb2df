package io.warmstep.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.contract.MixedCase.Extra;
import io.warmstep.contract.MixedCase.Scene;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import io.warmstep.testkit.Reference;
import io.warmstep.testkit.StoredForm;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Gradients at both ends of their type's range, and beyond, where they meet what a step does
 * besides, with the bits of plain loops however numbers are stored.
 */
class ExtremeNumbersTest {
  static Stream<Arguments> backendsAndForms() {
    return ContractBackend.inTurn(StoredForm.ofEachChoice());
  }

  /** Those with a NaN or an infinity, but not those of finite numbers whose norm is infinite. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void stepsThatAreSkippedChangeNothing(ContractBackend backend, StoredForm form) {
    run(backend, form, Extra.LOSS_SCALER, Extra.CLIP_NORM);
  }

  /** Clipping leaves subnormal numbers of most gradients. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndForms")
  void sumsOfMicroBatchesAreClippedByTheirNorm(ContractBackend backend, StoredForm form) {
    run(backend, form, Extra.ACCUMULATION, Extra.LOSS_SCALER, Extra.CLIP_NORM);
  }

  /** On OpenCL only two forms, as each is a program that no other test needs. */
  static Stream<Arguments> backendsAndFormsWithoutSkipping() {
    boolean isOpenCl = ContractBackend.all().stream().anyMatch(ContractBackend::isOpenCl);
    List<StoredForm> forms = StoredForm.ofEachChoice();
    return ContractBackend.inTurn(isOpenCl ? forms.subList(0, 2) : forms);
  }

  /** Sums that are infinite become NaN, and others zero. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndFormsWithoutSkipping")
  void clippingPropagatesSumsThatAreNotFinite(ContractBackend backend, StoredForm form) {
    run(backend, form, Extra.ACCUMULATION, Extra.CLIP_NORM);
  }

  /** With an average, as other tests have these programs. */
  private static void run(ContractBackend backend, StoredForm form, Extra... extras) {
    Set<Extra> all = EnumSet.of(Extra.AVERAGE, extras);
    MixedCase one = new MixedCase(Adam.adamW(), form, all);
    one.run(backend.shared(), Scene.FULL_RANGE, true);
    one.run(backend.shared(), Scene.BEYOND_RANGE, true);
  }

  private record Coded(UpdateRule rule, StoredForm form) {}

  static Stream<Arguments> backendsAndCodes() {
    ElementType bfloat16 = ElementType.BFLOAT16;
    ElementType float32 = ElementType.FLOAT32;
    StateType int8 = StateType.INT8;
    UpdateRule momentum = Momentum.heavyBall(0.9);
    UpdateRule adam = Adam.adamW().betas(0.5, 0.5);
    return ContractBackend.inTurn(
        List.of(
            new Coded(
                momentum,
                new StoredForm(float32, float32, MasterWeights.NONE, int8, Rounding.NEAREST)),
            new Coded(
                adam,
                new StoredForm(bfloat16, float32, MasterWeights.NONE, int8, Rounding.STOCHASTIC)),
            new Coded(
                adam,
                new StoredForm(bfloat16, bfloat16, MasterWeights.EXACT, int8, Rounding.NEAREST)),
            new Coded(
                momentum,
                new StoredForm(
                    bfloat16, bfloat16, MasterWeights.BITS_24, int8, Rounding.NEAREST))));
  }

  /** Beside a tile of zeros. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndCodes")
  void codesSaturate(ContractBackend backend, Coded coded) {
    List<Reference> left =
        new MixedCase(coded.rule, coded.form, Set.of(Extra.SKIP_NON_FINITE, Extra.AVERAGE))
            .run(backend.shared(), Scene.SATURATING, true);
    Reference largest = left.get(left.size() - 1);
    for (int slot = 0; slot < coded.rule.stateSlots().size(); slot++) {
      boolean isSquare = coded.rule.stateSlots().get(slot).content() == StateSlot.Content.SQUARE;
      double limit = isSquare ? (float) (0x1.ffp63 * 0x1.ffp63) : 0x1p126;
      double[] state = largest.state(slot);
      long count = Arrays.stream(state).filter(value -> Math.abs(value) == limit).count();
      assertTrue(count > 20 && count < 2082, count + " of slot " + slot);
      for (int i = 2048; i < 4096; i++) {
        assertEquals(0, state[i]);
      }
    }
  }
}
