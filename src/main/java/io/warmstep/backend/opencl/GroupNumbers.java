package io.warmstep.backend.opencl;

import io.warmstep.backend.StepPlan;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;
import java.util.List;
import org.jocl.Pointer;

/**
 * The numbers of several parameter groups as one argument of the update: for each group the rule's
 * scalars, its weight decay, 1 or, to maximize, -1, and whether its parameters stay. OpenCL copies
 * an argument when it is set, so the next step may overwrite them while this one still runs.
 */
final class GroupNumbers {
  /** Fields of a group beside the rule's scalars: see step.cl. */
  static final int OTHER_FIELDS = 3;

  private final int first;
  private final List<UpdateRule> rules;
  private final boolean isDouble;
  private final ByteBuffer numbers;
  private final Pointer pointer;
  private final int bytes;

  /** Numbers of the groups from `first` on, at most `capacity`, as large as the kernel says. */
  GroupNumbers(StepPlan plan, int first, int capacity, boolean isDouble) {
    int end = Math.min(plan.groups().size(), first + capacity);
    this.first = first;
    this.rules = plan.groups().subList(first, end).stream().map(StepPlan.Group::rule).toList();
    this.isDouble = isDouble;
    int fields = rules.get(0).scalarNames().size() + OTHER_FIELDS;
    this.bytes = capacity * fields * (isDouble ? Double.BYTES : Float.BYTES);
    this.numbers = OpenCl.direct(bytes);
    this.pointer = Pointer.to(numbers);
  }

  void fill(StepInputs inputs) {
    int field = 0;
    for (int i = 0; i < rules.size(); i++) {
      UpdateRule rule = rules.get(i);
      double[] scalars = inputs.scalars(first + i);
      for (int j = 0; j < scalars.length; j++) {
        put(field++, scalars[j]);
      }
      put(field++, inputs.weightDecay(first + i));
      put(field++, rule.maximize() ? -1 : 1);
      put(field++, inputs.keepsParameters(first + i) ? 1 : 0);
    }
  }

  private void put(int field, double value) {
    if (isDouble) {
      numbers.putDouble(field * Double.BYTES, value);
    } else {
      numbers.putFloat(field * Float.BYTES, (float) value);
    }
  }

  void set(Kernel kernel, int index) {
    kernel.set(index, bytes, pointer);
  }
}
