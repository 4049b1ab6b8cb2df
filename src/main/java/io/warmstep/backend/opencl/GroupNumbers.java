package io.warmstep.backend.opencl;

import io.warmstep.backend.StepPlan;
import io.warmstep.rule.UpdateRule;
import java.nio.ByteBuffer;
import java.util.List;
import org.jocl.Pointer;

/**
 * The numbers of several parameter groups as one argument of the update: for each group the rule's
 * scalars, its weight decay, and 1 or, to maximize, -1. OpenCL copies an argument when it is set,
 * so the next step may overwrite them while this one still runs.
 */
final class GroupNumbers {
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
    int fields = rules.get(0).scalarCount() + 2;
    this.bytes = capacity * fields * (isDouble ? Double.BYTES : Float.BYTES);
    this.numbers = OpenCl.direct(bytes);
    this.pointer = Pointer.to(numbers);
  }

  void fill(double[][] scalars) {
    int field = 0;
    for (int i = 0; i < rules.size(); i++) {
      UpdateRule rule = rules.get(i);
      for (int j = 0; j < rule.scalarCount(); j++) {
        put(field++, scalars[first + i][j]);
      }
      put(field++, rule.l2());
      put(field++, rule.maximize() ? -1 : 1);
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
