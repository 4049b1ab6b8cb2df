package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.UpdateTiles;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The launches of a measured step. Those with parameters that are measured take the place of the
 * step's: each parameter is a row of their tables, since tiles count from its first element, and
 * they use the entry for all ways to store operands, or, for float64 and rules without one, the
 * entry for the type. The others are the step's.
 */
final class MeasuredUpdates implements AutoCloseable {
  private final CudaContext context;
  private final Arena arena;
  private final List<CudaUpdate> updates = new ArrayList<>(); // in the order of the launches
  private final boolean[] isOwn; // of each of them
  private final boolean[] isMeasured;
  private final int[] parameters;
  private final UpdateTiles layout;

  /**
   * Prepares them.
   *
   * @param plan the step's
   * @param former the step's launches
   * @param normResult where its norm is, or 0
   * @param tiles the first that they fill
   * @param table where the numbers of groups lie when a captured step runs; null for another
   * @throws io.warmstep.OutOfDeviceMemoryException if there is no room for the tables; nothing
   *     stays allocated
   */
  MeasuredUpdates(
      CudaDevice device,
      CudaContext context,
      StepPlan plan,
      List<CudaUpdate> former,
      long normResult,
      UpdateTiles tiles,
      CapturedTable table) {
    this.context = context;
    arena = new Arena(context);
    layout = tiles;
    parameters =
        plan.groups().stream()
            .flatMap(group -> group.entries().stream())
            .mapToInt(StepPlan.Entry::index)
            .toArray();
    Map<CudaLaunches.Launch, List<CudaSpan>> unmeasured = CudaLaunches.of(plan, null);
    List<CudaLaunches.Launch> order = List.copyOf(unmeasured.keySet());
    Map<CudaLaunches.Launch, List<CudaSpan>> launches = CudaLaunches.of(plan, tiles);
    isOwn = new boolean[launches.size()];
    isMeasured = new boolean[launches.size()];
    launches.forEach(
        (launch, spans) -> {
          int i = updates.size();
          int same = order.indexOf(launch);
          isMeasured[i] = spans.get(0).isMeasured();
          isOwn[i] = same < 0 || unmeasured.get(launch).size() != spans.size(); // not all its spans
          updates.add(
              isOwn[i]
                  ? new CudaUpdate(
                      context, device.kernels(), arena, plan, launch.rule(), spans, former, table)
                  : former.get(same));
        });
    try {
      arena.allocate();
      for (int i = 0; i < isOwn.length; i++) {
        if (isOwn[i]) {
          updates.get(i).setFixed(normResult);
        }
      }
      arena.upload();
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** Whether rows lie at the same places as those that these were prepared for. */
  boolean fits(UpdateTiles tiles) {
    if (tiles != layout) {
      for (int parameter : parameters) {
        MemorySlice rows = tiles.rows(parameter);
        MemorySlice own = layout.rows(parameter);
        if (rows == null ? own != null : own == null || rows.offset() != own.offset()) {
          return false;
        }
      }
    }
    return true;
  }

  /** The launches of a step that fills these. Allocates nothing. */
  List<CudaUpdate> into(UpdateTiles tiles) {
    long floats = address(tiles, ElementType.FLOAT32);
    long doubles = address(tiles, ElementType.FLOAT64);
    for (int i = 0; i < isMeasured.length; i++) {
      if (isMeasured[i]) {
        updates.get(i).measure(floats, doubles);
      }
    }
    return updates;
  }

  /** Where the rows of an arithmetic begin, or 0 if there are none. */
  private long address(UpdateTiles tiles, ElementType arithmetic) {
    for (int parameter : parameters) {
      MemorySlice rows = tiles.rows(parameter);
      if (rows != null && rows.memory().type() == arithmetic) {
        return ((CudaMemory) rows.memory()).addressOf(0);
      }
    }
    return 0;
  }

  /** Whether the parameters of a plan, elsewhere, can take the place of these. */
  boolean canRebind(StepPlan plan) {
    List<List<CudaSpan>> next = List.copyOf(CudaLaunches.of(plan, layout).values());
    boolean can = next.size() == isOwn.length;
    for (int i = 0; can && i < isOwn.length; i++) {
      can = !isOwn[i] || updates.get(i).canRebind(next.get(i));
    }
    return can;
  }

  /** Takes those. */
  void rebind(StepPlan plan) {
    List<List<CudaSpan>> next = List.copyOf(CudaLaunches.of(plan, layout).values());
    context.run(
        "rebind",
        () -> {
          for (int i = 0; i < isOwn.length; i++) {
            if (isOwn[i]) {
              updates.get(i).rebind(next.get(i));
            }
          }
        });
  }

  /** Freeing the arena waits for launches that still use it. */
  @Override
  public void close() {
    arena.close();
  }
}
