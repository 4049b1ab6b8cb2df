package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jocl.cl_mem;

/**
 * A step as launches of kernels, all prepared but for the step's numbers. Parameters that lie in
 * the same buffers share one launch: all owned ones of a type, and borrowed ones of one buffer. The
 * numbers of up to 16 parameter groups are an argument, fewer where a device has room only for the
 * 1024 bytes that are guaranteed; more groups take another launch.
 *
 * <p>Nothing is waited for, except for the norm where non-finite gradients skip the step: whether
 * it happened is what {@link #run} returns.
 */
final class OpenClStepProgram implements StepProgram {
  private final OpenClDevice device;
  private final StepPlan plan;
  private final Resources resources = new Resources();
  private final List<UpdateRun> runs;
  private final List<GroupNumbers> numbers = new ArrayList<>();
  private final List<Launch> launches = new ArrayList<>();
  private final OpenClNorm norm;
  private boolean hasRun;

  /** One launch of the update. */
  private record Launch(Kernel kernel, GroupNumbers numbers, boolean isDouble) {}

  /** What parameters of one launch have in common. */
  private record LaunchKey(ElementType type, List<Integer> groups, List<Long> buffers) {}

  /** Groups whose numbers are one argument. */
  private record NumbersKey(boolean isDouble, List<Integer> groups) {}

  OpenClStepProgram(OpenClDevice device, Programs programs, StepPlan plan) {
    this.device = device;
    this.plan = plan;
    try {
      runs = Span.of(plan).stream().map(UpdateRun::new).toList();
      norm =
          plan.options().needsNorm()
              ? resources.add(new OpenClNorm(device.context(), programs, plan))
              : null;
      for (StepPlan.SameRule rule : plan.rules()) {
        addLaunches(programs, rule);
      }
      device.context().finish(); // so that what cannot be done fails here rather than in a step
    } catch (RuntimeException | Error e) {
      resources.close();
      throw e;
    }
  }

  private void addLaunches(Programs programs, StepPlan.SameRule rule) {
    Map<LaunchKey, List<UpdateRun>> together = new LinkedHashMap<>();
    for (UpdateRun run : runs) {
      int place = rule.groups().indexOf(run.group);
      if (place >= 0) {
        int capacity = programs.groups(rule, run.type == ElementType.FLOAT64);
        int first = place / capacity * capacity;
        int end = Math.min(first + capacity, rule.groups().size());
        LaunchKey key = new LaunchKey(run.type, rule.groups().subList(first, end), run.handles());
        together.computeIfAbsent(key, k -> new ArrayList<>()).add(run);
      }
    }
    Map<NumbersKey, GroupNumbers> byKey = new LinkedHashMap<>();
    together.forEach(
        (key, members) -> {
          boolean isDouble = key.type == ElementType.FLOAT64;
          int capacity = programs.groups(rule, isDouble);
          GroupNumbers shared =
              byKey.computeIfAbsent(
                  new NumbersKey(isDouble, key.groups),
                  k -> new GroupNumbers(plan, k.groups, capacity, k.isDouble));
          Kernel kernel = kernel(programs, rule, key, members);
          launches.add(new Launch(kernel, shared, isDouble));
        });
    numbers.addAll(byKey.values());
  }

  private Kernel kernel(
      Programs programs, StepPlan.SameRule sameRule, LaunchKey key, List<UpdateRun> members) {
    ElementType type = key.type;
    boolean isDouble = type == ElementType.FLOAT64;
    int lanes = programs.shape().lanes(type);
    int tileLength = programs.shape().tileLength(type);
    cl_mem[] buffers = members.get(0).buffers;
    Segments segments = resources.add(new Segments(Programs.segmentFields(buffers.length)));
    for (UpdateRun run : members) {
      UpdateRule rule = plan.groups().get(run.group).rule();
      long tag =
          key.groups.indexOf(run.group)
              | (long) rule.options() << 32
              | (run.isAligned(lanes) ? 1L : 0L) << 48;
      long[] fields = new long[2 + run.offsets.length];
      fields[0] = run.length;
      fields[1] = tag;
      System.arraycopy(run.offsets, 0, fields, 2, run.offsets.length);
      segments.add(run.tiles(lanes, tileLength), fields);
    }
    segments.upload(device.context());
    Kernel kernel = resources.add(programs.step(sameRule, type, buffers.length));
    StepOptions options = plan.options();
    kernel.setReal(3, options.clipValue() > 0 ? options.clipValue() : -1, isDouble);
    kernel.setInt(4, norm == null ? 0 : 1);
    kernel.setInt(5, options.zeroGradients() ? 1 : 0);
    kernel.setInt(6, segments.hasTileTable() ? 1 : 0);
    kernel.setBuffer(7, norm == null ? segments.segmentBuffer() : norm.control(isDouble));
    kernel.setBuffer(8, segments.segmentBuffer());
    kernel.setBuffer(9, segments.tileBuffer());
    for (int i = 0; i < buffers.length; i++) {
      kernel.setBuffer(10 + i, buffers[i]);
    }
    return kernel.workGroups(segments.tiles());
  }

  @Override
  public boolean run(StepInputs inputs) {
    hasRun = true;
    if (norm != null) {
      norm.launch(inputs);
    }
    if (plan.options().skipNonFinite() && !norm.isFinite()) {
      if (plan.options().zeroGradients()) {
        zeroGradients();
      }
      return false;
    }
    for (int i = 0; i < numbers.size(); i++) { // an iterator would allocate on every step
      numbers.get(i).fill(inputs);
    }
    for (int i = 0; i < launches.size(); i++) {
      Launch launch = launches.get(i);
      launch.numbers.set(launch.kernel, 0);
      GradientScale scale = inputs.gradientScale();
      boolean isDouble = launch.isDouble;
      launch.kernel.setReal(1, isDouble ? scale.scale() : scale.floatScale(), isDouble);
      launch.kernel.setReal(2, isDouble ? 1 : scale.floatPrescale(), isDouble);
      launch.kernel.launch();
    }
    device.context().flush();
    return true;
  }

  @Override
  public double gradientNorm() {
    return norm == null || !hasRun ? Double.NaN : norm.norm();
  }

  @Override
  public void zeroGradients() {
    for (int i = 0; i < runs.size(); i++) {
      UpdateRun run = runs.get(i);
      int bytes = run.type.bytes();
      device.context().zero(run.buffers[1], run.offsets[1] * bytes, run.length * bytes, bytes);
    }
    device.context().flush();
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      resources.close();
    }
  }
}
