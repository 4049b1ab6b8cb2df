package io.warmstep.backend.opencl;

import io.warmstep.backend.StepPlan;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;
import java.util.List;
import org.jocl.Pointer;

/**
 * The numbers of several parameter groups as one argument of the update: for each group the rule's
 * scalars, its weight decay, 1 or, to maximize, -1, whether its parameters stay, and the number of
 * its step. OpenCL copies an argument when it is set, so the next step may overwrite them while
 * this one still runs.
 */
final class GroupNumbers {
  /** Fields of a group beside the rule's scalars: see step.cl. */
  static final int OTHER_FIELDS = 6;

  private final List<Integer> groups;
  private final List<UpdateRule> rules;
  private final boolean isDouble;
  private final ByteBuffer numbers;
  private final Pointer pointer;
  private final int bytes;

  /**
   * Numbers of groups under rules of one name.
   *
   * @param groups their indices in the plan, as many as the capacity at most
   * @param capacity how many groups the kernel has room for
   */
  GroupNumbers(StepPlan plan, List<Integer> groups, int capacity, boolean isDouble) {
    this.groups = List.copyOf(groups);
    this.rules = groups.stream().map(group -> plan.groups().get(group).rule()).toList();
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
      int group = groups.get(i);
      double[] scalars = inputs.scalars(group);
      for (int j = 0; j < scalars.length; j++) {
        put(field++, scalars[j]);
      }
      put(field++, inputs.weightDecay(group));
      put(field++, rule.maximize() ? -1 : 1);
      put(field++, inputs.keepsParameters(group) ? 1 : 0);
      long step = inputs.step(group);
      put(field++, step & 0xffff); // exact in float32, as are the next bits
      put(field++, step >>> 16 & 0xffff);
      put(field++, inputs.averageWeight(group));
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
