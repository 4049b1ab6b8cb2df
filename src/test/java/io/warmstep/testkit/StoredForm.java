package io.warmstep.testkit;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.Schedules;
import java.util.List;

/**
 * A way to store parameters and what is kept of them.
 *
 * @param values type of the parameters
 * @param gradients type of theirs
 * @param masters what is kept of parameters of 16 bits
 * @param state type of the moments
 * @param rounding of what is stored in bfloat16 and in codes
 */
public record StoredForm(
    ElementType values,
    ElementType gradients,
    MasterWeights masters,
    StateType state,
    Rounding rounding) {
  /**
   * Parameters and gradients of a type, and nothing else.
   *
   * @param type not float64
   */
  public static StoredForm plain(ElementType type) {
    return new StoredForm(type, type, MasterWeights.NONE, StateType.FLOAT32, Rounding.NEAREST);
  }

  /** Each choice of each matter, in forms as different as can be. */
  public static List<StoredForm> ofEachChoice() {
    ElementType bfloat16 = ElementType.BFLOAT16;
    ElementType float16 = ElementType.FLOAT16;
    ElementType float32 = ElementType.FLOAT32;
    MasterWeights none = MasterWeights.NONE;
    MasterWeights exact = MasterWeights.EXACT;
    return List.of(
        new StoredForm(bfloat16, bfloat16, exact, StateType.BFLOAT16, Rounding.NEAREST),
        new StoredForm(bfloat16, float32, none, StateType.INT8, Rounding.STOCHASTIC),
        new StoredForm(
            bfloat16, float32, MasterWeights.BITS_24, StateType.FLOAT32, Rounding.STOCHASTIC),
        new StoredForm(float16, float16, exact, StateType.INT8, Rounding.NEAREST),
        new StoredForm(float16, float32, none, StateType.BFLOAT16, Rounding.NEAREST),
        new StoredForm(float32, bfloat16, none, StateType.BFLOAT16, Rounding.STOCHASTIC),
        new StoredForm(float32, float16, none, StateType.INT8, Rounding.STOCHASTIC));
  }

  /** Whether a rule can be stored so, and each choice makes a difference to it. */
  public boolean canHave(UpdateRule rule) {
    boolean narrows = rule.stateSlots().stream().anyMatch(this::isNarrow);
    boolean roundsState =
        rule.stateSlots().stream()
            .anyMatch(
                slot ->
                    isNarrow(slot)
                        && (state == StateType.BFLOAT16
                            || slot.content() == StateSlot.Content.SQUARE));
    boolean roundsValues = values == ElementType.BFLOAT16 && masters != MasterWeights.EXACT;
    return !rule.isOfOneType()
        && (state == StateType.FLOAT32 || narrows)
        && (rounding == Rounding.NEAREST || roundsState || roundsValues);
  }

  /** Whether a slot is not in float32. */
  public boolean isNarrow(StateSlot slot) {
    return state != StateType.FLOAT32 && slot.isAverage();
  }

  /** One large parameter and one of a few elements, whose state is in fewer bits too. */
  public Parameters parameters(Device device, int length) {
    return Parameters.on(device)
        .gradientType(gradients)
        .add("w", values, length)
        .add("b", values, 11)
        .build();
  }

  /** An optimizer that does all that a step may do besides. */
  public Optimizer optimizer(Parameters parameters, UpdateRule rule) {
    return Optimizer.of(parameters)
        .rule(rule)
        .learningRate(Schedules.cosine(1e-3, 5000).warmUp(100))
        .masterWeights(masters)
        .stateType(state, 0)
        .rounding(rounding)
        .average(0.999)
        .clipNorm(1)
        .clipValue(0.5)
        .zeroGradients(true)
        .lossScaler(LossScaler.dynamic())
        .build();
  }
}
