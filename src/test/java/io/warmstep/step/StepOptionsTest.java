package io.warmstep.step;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.MasterWeights;
import io.warmstep.Norm;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.Access;
import java.util.List;
import org.junit.jupiter.api.Test;

class StepOptionsTest {
  private static final LeafExchange EXCHANGE = own -> () -> own;
  private static final UpdateProgress PROGRESS = elements -> {};
  private static final StateStorage STORAGE = new StateStorage(StateType.INT8, 17);
  private static final AdaptiveClip CLIP = new AdaptiveClip(0.5, 0.25);

  private static StepOptions all() {
    return StepOptions.NONE
        .clipNorm(2)
        .clipEps(3)
        .norm(Norm.L1)
        .clipValue(4)
        .adaptiveClip(CLIP)
        .zeroGradients(true)
        .skipNonFinite(true)
        .gradientScale(5)
        .leafExchange(EXCHANGE)
        .updateProgress(PROGRESS)
        .masterWeights(MasterWeights.EXACT)
        .stateStorage(STORAGE)
        .rounding(Rounding.STOCHASTIC, 6)
        .averageDecay(0.5);
  }

  /** Each is set before others are, which keep it. */
  @Test
  void eachOptionIsKeptByTheOnesSetLater() {
    StepOptions all = all();
    assertEquals(2, all.clipNorm());
    assertEquals(3, all.clipEps());
    assertEquals(Norm.L1, all.norm());
    assertEquals(4, all.clipValue());
    assertSame(CLIP, all.adaptiveClip());
    assertTrue(all.zeroGradients());
    assertTrue(all.skipNonFinite());
    assertEquals(5, all.gradientScale());
    assertSame(EXCHANGE, all.leafExchange());
    assertSame(PROGRESS, all.updateProgress());
    assertEquals(MasterWeights.EXACT, all.masterWeights());
    assertSame(STORAGE, all.stateStorage());
    assertEquals(Rounding.STOCHASTIC, all.rounding());
    assertEquals(6, all.seed());
    assertEquals(0.5, all.averageDecay());
    assertNotSame(all, all.clipNorm(2));
    assertNull(StepOptions.NONE.leafExchange());
  }

  /** Checkpoints and messages have it. */
  @Test
  void theDescriptionNamesEachOptionThatChangesBits() {
    String text = all().describe();
    for (String part :
        List.of(
            "clipNorm 2.0, clipEps 3.0, norm ",
            ", clipValue 4.0, adaptiveClip ",
            ", zeroGradients true, skipNonFinite true, gradientScale 5.0, masterWeights ",
            "smallTensor 17, rounding ",
            ", seed 6, averageDecay 0.5")) {
      assertTrue(text.contains(part), text);
    }
  }

  @Test
  void theAverageTakesLessAndLessOfTheValuesUpToItsDecay() {
    assertEquals(0, StepOptions.NONE.averageWeight(5));
    StepOptions average = StepOptions.NONE.averageDecay(0.5);
    assertEquals(1 - 2 / 11.0, average.averageWeight(1), 1e-15);
    assertEquals(1 - 6 / 15.0, average.averageWeight(5), 1e-15);
    assertEquals(0.5, average.averageWeight(8), 1e-15);
    assertEquals(0.5, average.averageWeight(1000));
  }

  @Test
  void onlyAFiniteBoundAboveZeroClipsByNorm() {
    assertTrue(StepOptions.NONE.clipNorm(Double.MAX_VALUE).clipsByNorm());
    assertFalse(StepOptions.NONE.clipNorm(Double.POSITIVE_INFINITY).clipsByNorm());
    assertFalse(StepOptions.NONE.clipsByNorm());
    assertFalse(StepOptions.NONE.needsNorm());
    assertTrue(StepOptions.NONE.clipNorm(Double.POSITIVE_INFINITY).needsNorm());
    assertTrue(StepOptions.NONE.skipNonFinite(true).needsNorm());
  }

  @Test
  void aGradientOfExactlyItsBoundIsNotClipped() {
    assertEquals(1f, CLIP.factor(2f, 1f));
    assertEquals(1.0, CLIP.factor(2.0, 1.0));
    assertEquals(0.5f, CLIP.factor(2f, 2f));
    assertEquals(0.5, CLIP.factor(2.0, 2.0));
    // No parameter's norm counts as less than 0.25, and no gradient's as less than 1e-6.
    assertEquals(0.125, CLIP.factor(0.0, 1.0));
    assertEquals(0.5, new AdaptiveClip(1e-3, 5e-4).factor(0.0, 8e-7));
  }

  @Test
  void inputsOfOneStepAreKeptByGroup() {
    StepInputs inputs = new StepInputs(2, 3);
    assertEquals(2, inputs.groups());
    assertEquals(3, inputs.scalars(1).length);
    inputs.gradientNumbers(1)[GradientNumber.WEIGHT_DECAY.ordinal()] = 0.5;
    inputs.keepParameters(1, true);
    inputs.averageWeight(1, 0.25);
    inputs.step(1, 7);
    assertTrue(inputs.changesGradients(1));
    assertFalse(inputs.changesGradients(0));
    assertTrue(inputs.keepsParameters(1));
    assertEquals(0.25, inputs.averageWeight(1));
    assertEquals(7, inputs.step(1));
    assertFalse(inputs.keepsParameters(0));
    assertEquals(0, inputs.step(0));
  }

  @Test
  void anExchangeOfTheNormIsOneOfLeavesUnlessItSaysOtherwise() {
    LeafExchange.Leaves own = new LeafExchange.Leaves(2, 1);
    assertSame(own, EXCHANGE.prepareNorm(own, List.of(), List.of()).all());
    assertEquals(2, own.floatExponents().length);
    assertEquals(1, own.doubleExponents().length);
  }

  @Test
  void passesNeitherMaximizeNorWriteWhatTheyDoNotMove() {
    assertEquals("interpolation", Interpolation.PASS.name());
    assertEquals("lookahead", Interpolation.LOOKAHEAD.name());
    assertFalse(Interpolation.PASS.maximize());
    int both = Access.PARAMETER | Access.state(0);
    assertEquals(new Access(both, Access.PARAMETER), Interpolation.PASS.access());
    assertEquals(new Access(both, both), Interpolation.LOOKAHEAD.access());
  }
}
