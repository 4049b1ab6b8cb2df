package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The launches of a step behind its norm: one of the update for each rule and each way in use to
 * store the operands. In a step that is measured others take the place of some of them.
 */
final class CudaLaunches implements AutoCloseable {
  private final CudaDevice device;
  private final CudaContext context;
  private final List<CudaUpdate> updates = new ArrayList<>();
  private final CudaNorm norm; // or null
  private final CapturedTable table; // or null
  private StepPlan plan;
  private long normResult;
  private MeasuredUpdates measured; // null if no step has been measured

  /** What the parameters of one launch have in common. */
  record Launch(StepPlan.SameRule rule, ElementType type, StoredConstants stored) {}

  /**
   * Prepares them.
   *
   * @param arena receives their tables
   * @param norm of the step, or null
   * @param others those of another form of the step, whose workspace these may use
   * @param table where the numbers of groups lie when a captured step runs; null for another
   */
  CudaLaunches(
      CudaDevice device,
      CudaContext context,
      Arena arena,
      StepPlan plan,
      CudaNorm norm,
      List<CudaUpdate> others,
      CapturedTable table) {
    this.device = device;
    this.context = context;
    this.plan = plan;
    this.norm = norm;
    this.table = table;
    of(plan, null)
        .forEach(
            (launch, spans) ->
                updates.add(
                    new CudaUpdate(
                        context,
                        device.kernels(),
                        arena,
                        plan,
                        launch.rule,
                        spans,
                        others,
                        table)));
  }

  /**
   * The spans of each launch, in the order of the launches.
   *
   * @param tiles what a measured step fills, or null
   */
  static Map<Launch, List<CudaSpan>> of(StepPlan plan, UpdateTiles tiles) {
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

  /** Writes what stays the same; the arena is allocated by now. */
  void setFixed(long normResult) {
    this.normResult = normResult;
    for (CudaUpdate update : updates) {
      update.setFixed(normResult);
    }
  }

  /** Those of a step that is not measured. */
  List<CudaUpdate> updates() {
    return updates;
  }

  /** Takes a plan that differs in nothing but where operands lie; false if it cannot. */
  boolean rebind(StepPlan next) {
    List<List<CudaSpan>> spans = List.copyOf(of(next, null).values());
    boolean can = measured == null || measured.canRebind(next);
    for (int i = 0; can && i < updates.size(); i++) {
      can = updates.get(i).canRebind(spans.get(i));
    }
    if (!can) {
      return false;
    }
    context.run(
        "rebind",
        () -> {
          for (int i = 0; i < updates.size(); i++) {
            updates.get(i).rebind(spans.get(i));
          }
          if (norm != null) {
            norm.rebind(next);
          }
        });
    if (measured != null) {
      measured.rebind(next);
    }
    plan = next;
    return true;
  }

  /**
   * Makes room for a measured step, where there is none yet.
   *
   * @throws io.warmstep.OutOfDeviceMemoryException if there is not enough; a later call may succeed
   */
  void prepare(UpdateTiles tiles) {
    if (measured != null && measured.fits(tiles)) {
      return;
    }
    context.run("prepare", context::refuseCapture);
    close();
    measured = new MeasuredUpdates(device, context, plan, updates, normResult, tiles, table);
  }

  /** Those of a step that fills these; allocates nothing if there is room for it. */
  List<CudaUpdate> into(UpdateTiles tiles) {
    prepare(tiles);
    return measured.into(tiles);
  }

  /** Frees what measured steps have besides; waits for launches that still use it. */
  @Override
  public void close() {
    if (measured != null) {
      measured.close();
      measured = null;
    }
  }
}
