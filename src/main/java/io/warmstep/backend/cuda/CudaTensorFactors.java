package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.step.AdaptiveClip;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches that come before an update whose gradients are clipped tensor by tensor: those of
 * the leaves of parameters and gradients, one for each of their types, and one of a block per
 * tensor, which forms what its gradient is multiplied by. Tensors of groups that do not clip have a
 * factor too, which is 1 and stays so.
 */
final class CudaTensorFactors {
  /** By which sums.cu knows it among the rules that form numbers of sums. */
  private static final String NAME = "adaptive clip";

  private static final int FACTOR = StepPlan.MAX_NUMBERS; // between those of two tensors

  private final CudaContext context;
  private final StepPlan plan;
  private final List<TensorRun> runs; // of the update
  private final Layout.Step layout;
  private final CUfunction form;
  private final List<Leaves> launches = new ArrayList<>();
  private final long[] firstLeaves; // of each run's parameters
  private final long leafCount; // of parameters, and so of gradients
  private final Arena.Part sums;
  private final Arena.Part exponents;
  private final Arena.Part limits; // of each run what its group clips by
  private final Arena.Part wholes;
  private final Arena.Part factors;
  private final ByteBuffer arguments;
  private final Pointer pointer;

  /** The leaves of all parameters and gradients of one element type. */
  private final class Leaves {
    final ElementType type;
    final CUfunction function;
    final TileTable tiles;
    final Arena.Part tensors;
    final DeviceRows rows;
    final ByteBuffer arguments = Cuda.direct(Layout.LEAF_ARGUMENTS_BYTES);
    final Pointer pointer = Pointer.to(Pointer.to(arguments));

    Leaves(Kernels kernels, Arena arena, ElementType type, long[] counts) {
      this.type = type;
      this.function = kernels.get("leaves_" + type);
      this.tiles = new TileTable(arena, counts);
      this.tensors = arena.table((long) counts.length * Layout.LEAF_TENSOR_BYTES);
      this.rows = new DeviceRows(tensors);
      write(runs);
      rows.keep();
    }

    void write(List<TensorRun> next) {
      ByteBuffer table = rows.begin();
      for (int operand = 0; operand < 2; operand++) {
        for (int i = 0; i < next.size(); i++) {
          if (counts(next.get(i), operand, type)) {
            next.get(i).writeLeaves(table, operand, operand * leafCount + firstLeaves[i]);
          }
        }
      }
    }
  }

  CudaTensorFactors(
      CudaContext context, Kernels kernels, Arena arena, StepPlan plan, List<TensorRun> runs) {
    ElementType arithmetic = runs.get(0).type.arithmetic();
    this.context = context;
    this.plan = plan;
    this.runs = List.copyOf(runs);
    this.layout = Layout.Step.of(arithmetic);
    this.form = kernels.get("numbers_" + arithmetic);
    this.firstLeaves = new long[runs.size()];
    long count = 0;
    for (int i = 0; i < firstLeaves.length; i++) {
      firstLeaves[i] = count;
      count += isClipped(runs.get(i)) ? runs.get(i).leaves() : 0;
    }
    this.leafCount = count;
    for (ElementType type : ElementType.values()) {
      long[] counts =
          List.of(0, 1).stream()
              .flatMap(operand -> runs.stream().filter(run -> counts(run, operand, type)))
              .mapToLong(TensorRun::leaves)
              .toArray();
      if (counts.length > 0) {
        launches.add(new Leaves(kernels, arena, type, counts));
      }
    }
    this.sums = arena.reserve(2 * count * layout.realBytes());
    this.exponents = arena.reserve(2 * count * Integer.BYTES);
    this.limits = arena.table(2L * runs.size() * layout.realBytes());
    this.wholes = arena.table((long) runs.size() * Layout.SUM_WHOLE_BYTES);
    this.factors = arena.table((long) runs.size() * FACTOR * layout.realBytes());
    this.arguments = Cuda.direct(Layout.SUM_STEP + layout.bytes());
    this.pointer = Pointer.to(Pointer.to(arguments));
    for (int i = 0; i < runs.size(); i++) {
      putReal(factors.content(), i * FACTOR * layout.realBytes(), 1);
    }
  }

  /** Whether any of some runs has its gradients clipped so. */
  static boolean areNeeded(StepPlan plan, List<TensorRun> runs) {
    return runs.stream().anyMatch(run -> clip(plan, run).isUsed());
  }

  private static AdaptiveClip clip(StepPlan plan, TensorRun run) {
    return plan.groups().get(run.group).adaptiveClip();
  }

  private boolean isClipped(TensorRun run) {
    return clip(plan, run).isUsed();
  }

  private boolean counts(TensorRun run, int operand, ElementType type) {
    return isClipped(run) && run.operandType(operand) == type;
  }

  private void putReal(ByteBuffer target, int at, double value) {
    if (layout.isDouble()) {
      target.putDouble(at, value);
    } else {
      target.putFloat(at, (float) value);
    }
  }

  /** Where the factor of each of the runs is. */
  long address() {
    return factors.address();
  }

  /** Writes what stays the same; the arena is allocated by now. */
  void setFixed(long normResult) {
    for (Leaves launch : launches) {
      launch.arguments.putLong(launch.tiles.address()).putLong(launch.tensors.address());
      launch.arguments.putLong(sums.address()).putLong(exponents.address());
      launch.arguments.putInt(Layout.LEAF_KIND, SumKind.SQUARES.code());
    }
    for (int i = 0; i < runs.size(); i++) {
      TensorRun run = runs.get(i);
      AdaptiveClip clip = clip(plan, run);
      int at = 2 * i * layout.realBytes();
      putReal(limits.content(), at, clip.clip());
      putReal(limits.content(), at + layout.realBytes(), clip.eps());
      long[] its = {limits.address() + at, limits.address() + at + layout.realBytes()};
      run.writeFactor(wholes.content(), its, firstLeaves[i], clip.isUsed() ? run.leaves() : 0);
    }
    arguments.putLong(Layout.SUM_WHOLES, wholes.address());
    arguments.putLong(Layout.SUM_SUMS, sums.address());
    arguments.putLong(Layout.SUM_EXPONENTS, exponents.address());
    arguments.putLong(Layout.SUM_NUMBERS, factors.address());
    arguments.putLong(Layout.SUM_LEAF_COUNT, leafCount);
    arguments.putLong(Layout.SUM_RULE, CudaSums.nameHash(NAME) & 0xffffffffL);
    arguments.putLong(Layout.SUM_KINDS, CudaSums.kinds(List.of(SumKind.SQUARES, SumKind.SQUARES)));
    arguments.putLong(Layout.SUM_STEP + Layout.Step.NORM, normResult);
  }

  /** With the context current: takes runs of memory elsewhere. */
  void rebind(List<TensorRun> others) {
    for (Leaves launch : launches) {
      launch.write(others);
      launch.rows.upload(context);
    }
  }

  /**
   * With the context current: the launches of one step. Allocates nothing.
   *
   * @param scale what gradients are multiplied by after the prescale, unless the norm says it
   */
  void launch(double scale, double prescale) {
    putReal(arguments, Layout.SUM_STEP + Layout.Step.SCALE, scale);
    putReal(arguments, Layout.SUM_STEP + layout.prescale(), prescale);
    for (int i = 0; i < launches.size(); i++) { // an iterator would allocate on every step
      Leaves launch = launches.get(i);
      context.launch(launch.function, launch.tiles.blocks(), launch.pointer);
    }
    context.launch(form, runs.size(), pointer);
  }
}
