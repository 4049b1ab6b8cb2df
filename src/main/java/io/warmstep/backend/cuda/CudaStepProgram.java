package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.StepInputs;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import jcuda.driver.CUcontext;

/**
 * A step as launches of kernels, prepared but for the step's numbers: one launch of the update for
 * each rule and each way in use to store the operands, after those of the norm if the plan needs
 * it. Nothing is waited for, except where non-finite gradients skip the step: whether it happens is
 * what {@link #run} returns, as soon as the norm shows it, while the update still runs.
 */
final class CudaStepProgram implements StepProgram {
  private final CudaDevice device;
  private final CudaContext context;
  private final Arena arena;
  private final List<CudaUpdate> updates = new ArrayList<>();
  private MeasuredUpdates measured; // null if no step has been measured
  private final CudaNorm norm;
  private StepPlan plan;
  private final boolean skipsNonFinite;
  private final List<Integer> sharedGroups;

  // Made once, so that a step allocates nothing.
  private final CudaContext.Work step = this::launch;
  private final CUcontext popped = new CUcontext();
  private StepInputs inputs;
  private List<CudaUpdate> running = updates;
  private boolean happened;
  private boolean hasRun;

  CudaStepProgram(CudaDevice device, StepPlan plan) {
    this.device = device;
    this.context = device.context();
    this.arena = new Arena(context);
    this.plan = plan;
    this.skipsNonFinite = plan.options().skipNonFinite();
    this.sharedGroups = plan.sharedGroups();
    launches(plan, null)
        .forEach(
            (launch, spans) ->
                updates.add(
                    new CudaUpdate(context, device.kernels(), arena, plan, launch.rule, spans)));
    norm = plan.options().needsNorm() ? new CudaNorm(context, device.kernels(), arena, plan) : null;
    try {
      arena.allocate();
      if (norm != null) {
        norm.setFixed();
      }
      for (CudaUpdate update : updates) {
        update.setFixed(norm == null ? 0 : norm.result());
      }
      arena.upload();
    } catch (RuntimeException | Error e) {
      release();
      throw e;
    }
  }

  /** What the parameters of one launch have in common. */
  record Launch(StepPlan.SameRule rule, ElementType type, StoredConstants stored) {}

  /**
   * The spans of each launch, in the order of the launches.
   *
   * @param tiles what a measured step fills, or null
   */
  static Map<Launch, List<CudaSpan>> launches(StepPlan plan, UpdateTiles tiles) {
    List<CudaSpan> spans = new ArrayList<>();
    for (Span span : Span.of(plan)) {
      // All parameters of a group have rows, or none.
      boolean isMeasured = tiles != null && rows(span, tiles) != null;
      for (Span part : isMeasured ? span.parts() : List.of(span)) {
        UpdateRule rule = plan.groups().get(span.group()).rule();
        spans.add(new CudaSpan(part, rule, isMeasured ? rows(part, tiles) : null));
      }
    }
    Map<Launch, List<CudaSpan>> launches = new LinkedHashMap<>();
    for (StepPlan.SameRule rule : plan.rules()) {
      for (CudaSpan span : spans) {
        if (rule.groups().contains(span.group)) {
          ElementType type = span.isMixed() ? span.type.arithmetic() : span.type;
          launches
              .computeIfAbsent(new Launch(rule, type, span.constants()), key -> new ArrayList<>())
              .add(span);
        }
      }
    }
    return launches;
  }

  /** Those of a span's first parameter, or null. */
  private static MemorySlice rows(Span span, UpdateTiles tiles) {
    return tiles.rows(span.entries().get(0).index());
  }

  @Override
  public boolean rebind(StepPlan plan) {
    boolean follows =
        (measured == null || measured.canRebind(plan)) && rebind(context, updates, norm, plan);
    if (follows && measured != null) {
      measured.rebind(plan);
    }
    this.plan = follows ? plan : this.plan;
    return follows;
  }

  /** The same for the launches of any form of a step. */
  static boolean rebind(
      CudaContext context, List<CudaUpdate> updates, CudaNorm norm, StepPlan plan) {
    List<List<CudaSpan>> next = List.copyOf(launches(plan, null).values());
    for (int i = 0; i < updates.size(); i++) {
      if (!updates.get(i).canRebind(next.get(i))) {
        return false;
      }
    }
    context.run(
        "rebind",
        () -> {
          for (int i = 0; i < updates.size(); i++) {
            updates.get(i).rebind(next.get(i));
          }
          if (norm != null) {
            norm.rebind(plan);
          }
        });
    return true;
  }

  @Override
  public void prepare(UpdateTiles tiles) {
    if (measured != null && measured.fits(tiles)) {
      return;
    }
    context.run("prepare", context::refuseCapture);
    if (measured != null) {
      measured.close();
      measured = null;
    }
    measured = new MeasuredUpdates(device, plan, updates, norm == null ? 0 : norm.result(), tiles);
  }

  @Override
  public boolean run(StepInputs inputs, UpdateTiles tiles) {
    prepare(tiles);
    running = measured.into(tiles);
    try {
      return run(inputs);
    } finally {
      running = updates;
    }
  }

  @Override
  public boolean run(StepInputs inputs) {
    this.inputs = inputs;
    context.run("step", step, popped);
    hasRun = true;
    return happened;
  }

  private void launch() {
    context.refuseCapture();
    if (norm != null) {
      norm.launch(inputs);
      if (skipsNonFinite) {
        norm.mark();
      }
    }
    if (sharedGroups.isEmpty()) {
      for (int i = 0; i < running.size(); i++) { // an iterator would allocate on every step
        running.get(i).launch(inputs);
      }
    } else {
      launchTogether();
    }
    happened = !skipsNonFinite || !norm.awaitSkipped();
  }

  /** Sums of groups are exchanged in the plan's order, and in no step that is skipped. */
  private void launchTogether() {
    running.forEach(update -> update.launchLeaves(inputs));
    if (!skipsNonFinite || !norm.awaitSkipped()) {
      sharedGroups.forEach(group -> running.forEach(update -> update.exchange(group)));
    }
    running.forEach(CudaUpdate::launchRest);
  }

  @Override
  public CapturedProgram capture(CapturedScale scale) {
    return device.capture(plan, scale);
  }

  @Override
  public CapturedProgram ahead(CapturedScale scale) {
    return norm == null || plan.options().leafExchange() != null
        ? null
        : device.ahead(plan, scale, updates);
  }

  @Override
  public double gradientNorm() {
    return norm == null || !hasRun ? Double.NaN : norm.last();
  }

  @Override
  public boolean keepNorm(Memory to) {
    if (norm == null || !hasRun) {
      return false;
    }
    context.copy(((CudaMemory) to).addressOf(0), norm.result(), Double.BYTES);
    return true;
  }

  @Override
  public void zeroGradients() {
    context.run("zeroGradients", () -> updates.forEach(CudaUpdate::launchZero));
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      release();
    }
  }

  /** Freeing the arena waits for launches that still use it, and so for copies from it. */
  private void release() {
    if (measured != null) {
      measured.close();
    }
    arena.close();
    if (norm != null) {
      norm.close();
    }
  }
}
