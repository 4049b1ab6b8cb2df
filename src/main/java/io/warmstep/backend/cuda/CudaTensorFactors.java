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
  private final List<CudaSpan> spans; // of the update
  private final Layout.Step layout;
  private final CUfunction form;
  private final List<Leaves> launches = new ArrayList<>();
  private final long[] firstLeaves; // of each span's parameters
  private final long leafCount; // of parameters, and so of gradients
  private final Arena.Part sums;
  private final Arena.Part exponents;
  private final Arena.Part limits; // of each span what its group clips by
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
      write(spans);
      rows.keep();
    }

    void write(List<CudaSpan> next) {
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
      CudaContext context, Kernels kernels, Arena arena, StepPlan plan, List<CudaSpan> spans) {
    ElementType arithmetic = spans.get(0).type.arithmetic();
    this.context = context;
    this.plan = plan;
    this.spans = List.copyOf(spans);
    this.layout = Layout.Step.of(arithmetic);
    this.form = kernels.get("numbers_" + arithmetic);
    this.firstLeaves = new long[spans.size()];
    long count = 0;
    for (int i = 0; i < firstLeaves.length; i++) {
      firstLeaves[i] = count;
      count += isClipped(spans.get(i)) ? spans.get(i).leaves() : 0;
    }
    this.leafCount = count;
    for (ElementType type : ElementType.values()) {
      long[] counts =
          List.of(0, 1).stream()
              .flatMap(operand -> spans.stream().filter(span -> counts(span, operand, type)))
              .mapToLong(CudaSpan::leaves)
              .toArray();
      if (counts.length > 0) {
        launches.add(new Leaves(kernels, arena, type, counts));
      }
    }
    this.sums = arena.reserve(2 * count * layout.realBytes());
    this.exponents = arena.reserve(2 * count * Integer.BYTES);
    this.limits = arena.table(2L * spans.size() * layout.realBytes());
    this.wholes = arena.table((long) spans.size() * Layout.SUM_WHOLE_BYTES);
    this.factors = arena.table((long) spans.size() * FACTOR * layout.realBytes());
    this.arguments = Cuda.direct(Layout.SUM_STEP + layout.bytes());
    this.pointer = Pointer.to(Pointer.to(arguments));
    for (int i = 0; i < spans.size(); i++) {
      putReal(factors.content(), i * FACTOR * layout.realBytes(), 1);
    }
  }

  /** Whether any of some spans has its gradients clipped so. */
  static boolean areNeeded(StepPlan plan, List<CudaSpan> spans) {
    return spans.stream().anyMatch(span -> clip(plan, span).isUsed());
  }

  private static AdaptiveClip clip(StepPlan plan, CudaSpan span) {
    return plan.groups().get(span.group).adaptiveClip();
  }

  private boolean isClipped(CudaSpan span) {
    return clip(plan, span).isUsed();
  }

  private boolean counts(CudaSpan span, int operand, ElementType type) {
    return isClipped(span) && span.operandType(operand) == type;
  }

  private void putReal(ByteBuffer target, int at, double value) {
    if (layout.isDouble()) {
      target.putDouble(at, value);
    } else {
      target.putFloat(at, (float) value);
    }
  }

  /** Where the factor of each of the spans is. */
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
    for (int i = 0; i < spans.size(); i++) {
      CudaSpan span = spans.get(i);
      AdaptiveClip clip = clip(plan, span);
      int at = 2 * i * layout.realBytes();
      putReal(limits.content(), at, clip.clip());
      putReal(limits.content(), at + layout.realBytes(), clip.eps());
      long[] its = {limits.address() + at, limits.address() + at + layout.realBytes()};
      span.writeFactor(wholes.content(), its, firstLeaves[i], clip.isUsed() ? span.leaves() : 0);
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

  /** With the context current: takes spans of memory elsewhere. */
  void rebind(List<CudaSpan> others) {
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
    context.launch(form, spans.size(), pointer);
  }
}
