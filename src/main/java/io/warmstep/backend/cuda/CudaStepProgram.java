package io.warmstep.backend.cuda;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.StepInputs;
import java.util.List;
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
  private final CudaNorm norm; // or null
  private final CudaLaunches launches;
  private StepPlan plan;
  private final boolean skipsNonFinite;
  private final List<Integer> sharedGroups;

  // Made once, so that a step allocates nothing.
  private final CudaContext.Work step = this::launch;
  private final CUcontext popped = new CUcontext();
  private StepInputs inputs;
  private List<CudaUpdate> running;
  private boolean happened;
  private boolean hasRun;

  CudaStepProgram(CudaDevice device, StepPlan plan) {
    this.device = device;
    this.context = device.context();
    this.arena = new Arena(context);
    this.plan = plan;
    this.skipsNonFinite = plan.options().skipNonFinite();
    this.sharedGroups = plan.sharedGroups();
    norm = plan.options().needsNorm() ? new CudaNorm(context, device.kernels(), arena, plan) : null;
    launches = new CudaLaunches(device, context, arena, plan, norm, List.of(), null);
    running = launches.updates();
    try {
      arena.allocate();
      if (norm != null) {
        norm.setFixed();
      }
      launches.setFixed(norm == null ? 0 : norm.result());
      arena.upload();
    } catch (RuntimeException | Error e) {
      release();
      throw e;
    }
  }

  @Override
  public boolean rebind(StepPlan next) {
    boolean follows = launches.rebind(next);
    plan = follows ? next : plan;
    return follows;
  }

  @Override
  public void prepare(UpdateTiles tiles) {
    launches.prepare(tiles);
  }

  @Override
  public boolean run(StepInputs inputs, UpdateTiles tiles) {
    running = launches.into(tiles);
    try {
      return run(inputs);
    } finally {
      running = launches.updates();
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
  public CapturedProgram capture(CapturedScale scale, StepPlan passes) {
    return device.capture(plan, passes, scale);
  }

  @Override
  public CapturedProgram ahead(CapturedScale scale, StepPlan passes) {
    return norm == null || plan.options().leafExchange() != null
        ? null
        : device.ahead(plan, passes, scale, launches.updates());
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
    norm.keep(to);
    return true;
  }

  @Override
  public void zeroGradients() {
    context.run("zeroGradients", () -> launches.updates().forEach(CudaUpdate::launchZero));
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      release();
    }
  }

  /** Freeing the arena waits for launches that still use it, and so for copies from it. */
  private void release() {
    launches.close();
    arena.close();
    if (norm != null) {
      norm.close();
    }
  }
}
