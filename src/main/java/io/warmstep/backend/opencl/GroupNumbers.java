package io.warmstep.backend.opencl;

import io.warmstep.backend.StepPlan;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.GradientNumber;
import io.warmstep.step.StepInputs;
import java.nio.ByteBuffer;
import java.util.List;
import org.jocl.Pointer;
import org.jocl.Sizeof;
import org.jocl.cl_mem;

/**
 * The numbers of several parameter groups as one argument of the update: for each group the rule's
 * scalars, what its gradients are changed by, 1 or, to maximize, -1, whether its parameters stay,
 * the number of its step and what averages take. OpenCL copies an argument when it is set, so the
 * next step may overwrite them while this one still runs.
 *
 * <p>Or, with an {@link AheadRing}, the numbers of several steps in a buffer, which is the
 * argument.
 */
final class GroupNumbers {
  /** Fields of a group beside the rule's scalars: see operands.h. */
  static final int OTHER_FIELDS = GradientNumber.COUNT + 5;

  private final List<Integer> groups;
  private final List<UpdateRule> rules;
  private final boolean isDouble;
  private final ByteBuffer numbers; // of each place
  private final Pointer[] pointers; // likewise
  private final int bytes;
  private final Kernel put; // or null
  private final Pointer buffer; // or null

  /**
   * Numbers of groups under rules of one name.
   *
   * @param groups their indices in the plan, as many as the capacity at most
   * @param capacity how many groups the kernel has room for
   * @param ring null where the numbers are an argument
   * @param resources receives what a ring takes
   */
  GroupNumbers(
      OpenClContext context,
      StepPlan plan,
      List<Integer> groups,
      int capacity,
      boolean isDouble,
      AheadRing ring,
      ReleaseStack resources) {
    this.groups = List.copyOf(groups);
    this.rules = groups.stream().map(group -> plan.groups().get(group).rule()).toList();
    this.isDouble = isDouble;
    int fields = rules.get(0).scalarNames().size() + OTHER_FIELDS;
    this.bytes = capacity * fields * (isDouble ? Double.BYTES : Float.BYTES);
    int places = ring == null ? 1 : AheadRing.PLACES;
    this.numbers = OpenCl.direct(places * bytes);
    this.pointers = new Pointer[places];
    for (int i = 0; i < places; i++) {
      pointers[i] = Pointer.to(numbers).withByteOffset((long) i * bytes);
    }
    if (ring == null) {
      put = null;
      buffer = null;
    } else {
      cl_mem all = resources.add(context.allocate((long) places * bytes));
      put = resources.add(ring.put(bytes));
      put.setBuffer(2, all);
      buffer = Pointer.to(all);
    }
  }

  void fill(StepInputs inputs) {
    fill(inputs, 0);
  }

  /** Takes the numbers of the step that has a place in the ring. */
  void fill(StepInputs inputs, int place) {
    int field = place * bytes / (isDouble ? Double.BYTES : Float.BYTES);
    for (int i = 0; i < rules.size(); i++) {
      UpdateRule rule = rules.get(i);
      int group = groups.get(i);
      for (double scalar : inputs.scalars(group)) {
        put(field++, scalar);
      }
      for (double number : inputs.gradientNumbers(group)) {
        put(field++, number);
      }
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

  /** Gives the device the numbers at a place. Allocates nothing. */
  void put(int place) {
    put.set(0, bytes, pointers[place]);
    put.setInt(1, place);
    put.launch();
  }

  void set(Kernel kernel, int index) {
    if (buffer == null) {
      kernel.set(index, bytes, pointers[0]);
    } else {
      kernel.set(index, Sizeof.cl_mem, buffer);
    }
  }
}
