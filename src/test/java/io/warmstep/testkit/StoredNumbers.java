package io.warmstep.testkit;

import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import java.util.function.IntToLongFunction;

/**
 * What is left of numbers once they are stored, whose rule computes in float32.
 *
 * @param rule whose state it is
 * @param form how it is stored
 * @param seed of random rounding
 * @param places numbers of the elements within their parameter, by index; groups of codes are whole
 */
public record StoredNumbers(UpdateRule rule, StoredForm form, long seed, IntToLongFunction places) {
  /** Gives the reference what is left of its numbers after a step. */
  public void convert(Reference reference, long step, int parameter) {
    for (int slot = 0; slot < rule.stateSlots().size(); slot++) {
      if (rule.access().writes(2 + slot)) {
        double[] values = reference.state(slot);
        reference.state(slot, state(slot, values, step, parameter));
      }
    }
    if (form.masters() == MasterWeights.BITS_24) {
      double[] values = reference.parameters();
      for (int i = 0; i < values.length; i++) {
        float value = (float) values[i];
        values[i] =
            form.rounding() == Rounding.NEAREST
                ? Reference24.nearest(value)
                : Reference24.random(value, bits(step, parameter, 0, i));
      }
      reference.parameters(values);
    }
    if (form.masters() == MasterWeights.NONE) {
      double[] values = reference.parameters();
      reference.parameters(
          form.values() == ElementType.BFLOAT16
              ? rounded(values, step, parameter, 0)
              : Numbers.round(form.values(), values));
    }
  }

  /** What is left of the numbers of a slot. */
  public double[] state(int slot, double[] values, long step, int parameter) {
    StateSlot its = rule.stateSlots().get(slot);
    if (!form.isNarrow(its)) {
      return values;
    }
    return form.state() == StateType.INT8
        ? decoded(its.content(), values, step, parameter, 2 + slot)
        : rounded(values, step, parameter, 2 + slot);
  }

  /** The parameters that go with masters. */
  public double[] ofMasters(double[] masters) {
    double[] rounded = new double[masters.length];
    for (int i = 0; i < masters.length; i++) {
      rounded[i] =
          form.values() == ElementType.FLOAT16
              ? Numbers.round(ElementType.FLOAT16, masters[i])
              : awayFromZero((float) masters[i]);
    }
    return rounded;
  }

  /** The nearest bfloat16, of two as near the one further from zero. */
  private static double awayFromZero(float value) {
    if (Float.isNaN(value)) {
      return Double.NaN;
    }
    return Float.intBitsToFloat((Float.floatToRawIntBits(value) + 0x8000) & 0xffff0000);
  }

  private double[] decoded(
      StateSlot.Content content, double[] values, long step, int parameter, int operand) {
    if (content == StateSlot.Content.MOMENT) {
      return ReferenceCodes.moments(values);
    }
    return ReferenceCodes.squares(
        values,
        form.rounding() == Rounding.NEAREST ? null : i -> bits(step, parameter, operand, i));
  }

  private double[] rounded(double[] values, long step, int parameter, int operand) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] =
          form.rounding() == Rounding.NEAREST
              ? Numbers.round(ElementType.BFLOAT16, values[i])
              : ReferenceRandom.round((float) values[i], bits(step, parameter, operand, i));
    }
    return rounded;
  }

  private int bits(long step, int parameter, int operand, int i) {
    return ReferenceRandom.bits(seed, step, parameter, operand, places.applyAsLong(i));
  }
}
