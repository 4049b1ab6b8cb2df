package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The update of all parameters under one rule whose operands are stored in the same way: one
 * launch, after two where the rule first adds something up over each tensor, or those of adaptive
 * clipping. The numbers of up to 16 groups are its arguments; those of more go into a table on the
 * device, by launches that copy their arguments, so that no memory of the host has to stay as it
 * is.
 */
final class CudaUpdate {
  private final CudaContext context;
  private final StepPlan plan;
  private final List<Integer> groups; // of the plan, in the order of the launch
  private final Layout.Step layout;
  private final boolean isMixed;
  private final boolean writesStored; // what mixed launches need: in a captured step any may be
  private final CUfunction kernel;
  private final int sharedBytes; // that its launches have besides what the entry says
  private final CUfunction writeGroups;
  private final TileTable tiles;
  private final Arena.Part tensors;
  private final DeviceRows rows;
  private final List<CudaSpan> spans;
  private final Arena.Part table; // null if the arguments have room for all groups
  private final int tableOffset; // of a captured step, whose table others write; -1 otherwise
  private final ByteBuffer[] arguments; // of the launches that write the table, if any
  private final Pointer[] argumentPointers;
  private final CudaSums sums; // or null
  private final CudaTensorFactors tensorFactors; // or null
  private final ByteBuffer all; // what rows need, the sums' arguments if any, and the update's
  private final ByteBuffer fromSums; // all but the first
  private final Pointer sumsPointer;
  private final ByteBuffer update;
  private final Pointer updatePointer;

  /**
   * Prepares the launches.
   *
   * @param others those of another form of the step, whose workspace these may use
   * @param captured where the groups' numbers lie when a captured step runs; null for another
   */
  CudaUpdate(
      CudaContext context,
      Kernels kernels,
      Arena arena,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<CudaSpan> spans,
      List<CudaUpdate> others,
      CapturedTable captured) {
    ElementType type = spans.get(0).type;
    this.context = context;
    this.plan = plan;
    this.layout = Layout.Step.of(type);
    this.groups = rule.groups();
    this.isMixed = spans.get(0).isMixed();
    this.kernel =
        kernels.get(
            isMixed ? "mixed_" + rule.kernel() : rule.kernel() + "_" + type,
            spans.get(0).constants());
    this.sharedBytes = !isMixed && spans.get(0).isMeasured() ? layout.seenBytes() : 0;
    this.tiles = new TileTable(arena, spans.stream().mapToLong(CudaSpan::tiles).toArray());
    this.tensors =
        arena.table(
            (long) spans.size() * (isMixed ? Layout.MIXED_TENSOR_BYTES : Layout.TENSOR_BYTES));
    this.spans = new ArrayList<>(spans);
    this.rows = new DeviceRows(tensors);
    writeRows(rows.begin());
    rows.keep();
    boolean fits = captured == null && groups.size() <= Layout.INLINE_GROUPS;
    int chunks =
        fits || captured != null
            ? 0
            : (groups.size() + Layout.INLINE_GROUPS - 1) / Layout.INLINE_GROUPS;
    this.writeGroups = chunks == 0 ? null : kernels.get("groups_" + type.arithmetic());
    this.tableOffset = captured == null ? -1 : captured.offset(rule, type);
    this.table =
        fits ? null : captured != null ? captured.part() : arena.reserve(tableBytes(rule, type));
    boolean hasRoom = !layout.isDouble() && rule.scalars() <= Layout.MIXED_SCALARS;
    this.writesStored = captured == null ? isMixed : hasRoom;
    this.sums =
        rule.sums().isEmpty()
            ? null
            : new CudaSums(
                context, kernels, arena, plan, rule, spans, tiles.blocks(), matrices(others));
    this.tensorFactors =
        CudaTensorFactors.areNeeded(plan, spans)
            ? new CudaTensorFactors(context, kernels, arena, plan, spans)
            : null;
    int ofRows = !isMixed ? 0 : sums == null ? Layout.MIXED_STEP : Layout.MIXED_SUMS;
    int before = ofRows + (sums == null ? 0 : Layout.SUM_STEP);
    this.all = Cuda.direct(before + layout.bytes());
    this.fromSums = all.slice(ofRows, all.capacity() - ofRows).order(all.order());
    this.sumsPointer = Pointer.to(Pointer.to(fromSums));
    this.update = all.slice(before, layout.bytes()).order(all.order());
    this.updatePointer = Pointer.to(Pointer.to(all));
    this.arguments = new ByteBuffer[chunks];
    this.argumentPointers = new Pointer[chunks];
    for (int i = 0; i < chunks; i++) {
      arguments[i] = Cuda.direct(layout.bytes());
      argumentPointers[i] = Pointer.to(Pointer.to(arguments[i]));
    }
  }

  private static List<CudaMatrices> matrices(List<CudaUpdate> updates) {
    return updates.stream()
        .filter(update -> update.sums != null)
        .flatMap(update -> update.sums.matrices().stream())
        .toList();
  }

  /** Bytes of a table of a launch's groups, a multiple of 8. */
  static int tableBytes(StepPlan.SameRule rule, ElementType type) {
    return rule.groups().size() * Layout.Step.of(type).groupBytes();
  }

  private void writeRows(ByteBuffer table) {
    spans.forEach(span -> span.write(table, groups.indexOf(span.group)));
  }

  /** Whether spans of memory elsewhere can take the place of these. */
  boolean canRebind(List<CudaSpan> others) {
    boolean can = others.size() == spans.size();
    for (int i = 0; can && i < spans.size(); i++) {
      can = spans.get(i).isLike(others.get(i));
    }
    return can;
  }

  /** With the context current: takes spans of memory elsewhere. */
  void rebind(List<CudaSpan> others) {
    spans.clear();
    spans.addAll(others);
    writeRows(rows.begin());
    rows.upload(context);
    if (tensorFactors != null) {
      tensorFactors.rebind(others);
    }
  }

  /** Writes what stays the same; the arena is allocated by now. */
  void setFixed(long normResult) {
    StepOptions options = plan.options();
    long tableAddress = table == null ? 0 : table.address() + Math.max(tableOffset, 0);
    if (sums != null) {
      sums.setFixed(fromSums, normResult);
    }
    if (tensorFactors != null) {
      tensorFactors.setFixed(normResult);
      update.putLong(layout.tensorFactors(), tensorFactors.address());
    }
    if (isMixed) {
      all.putLong(Layout.MIXED_TENSORS, tensors.address());
      all.putLong(Layout.MIXED_KEY, options.seed());
    }
    update.putLong(Layout.Step.TILES, tiles.address());
    update.putLong(Layout.Step.TENSORS, tensors.address());
    update.putLong(Layout.Step.TABLE, tableAddress);
    update.putLong(Layout.Step.NORM, normResult);
    putReal(update, layout.clipValue(), options.clipValue() > 0 ? options.clipValue() : -1);
    update.putInt(layout.flags(), options.zeroGradients() ? Layout.ZERO_GRADIENTS : 0);
    for (int i = 0; i < arguments.length; i++) {
      int first = i * Layout.INLINE_GROUPS;
      arguments[i].putLong(Layout.Step.TABLE, tableAddress);
      arguments[i].putInt(layout.flags(), Math.min(groups.size() - first, Layout.INLINE_GROUPS));
      arguments[i].putInt(layout.firstGroup(), first);
    }
    for (int i = 0; i < groups.size() && tableOffset < 0; i++) {
      writeFixed(i, groupBuffer(i), groupAt(i));
    }
  }

  private void writeFixed(int i, ByteBuffer target, int at) {
    UpdateRule rule = plan.groups().get(groups.get(i)).rule();
    putReal(target, at + layout.sign(), rule.maximize() ? -1 : 1);
    target.putInt(at + layout.options(), rule.options());
  }

  private ByteBuffer groupBuffer(int group) {
    return table == null ? update : arguments[group / Layout.INLINE_GROUPS];
  }

  private int groupAt(int group) {
    return layout.groups() + group % Layout.INLINE_GROUPS * layout.groupBytes();
  }

  private void putReal(ByteBuffer target, int at, double value) {
    if (layout.isDouble()) {
      target.putDouble(at, value);
    } else {
      target.putFloat(at, (float) value);
    }
  }

  private void putReals(ByteBuffer target, int at, double[] values) {
    for (int i = 0; i < values.length; i++) {
      putReal(target, at + i * layout.realBytes(), values[i]);
    }
  }

  /**
   * Says where what the next step sees goes, of launches whose spans are measured.
   *
   * @param floats the address from which rows of float32 arithmetic count
   * @param doubles that from which those of float64 do
   */
  void measure(long floats, long doubles) {
    update.putLong(layout.rows(), layout.isDouble() ? doubles : floats);
  }

  /** With the context current: the launches of one step. Allocates nothing. */
  void launch(StepInputs inputs) {
    launchLeaves(inputs);
    launchRest();
  }

  /** With the context current: the launches up to the leaves of a rule's sums. */
  void launchLeaves(StepInputs inputs) {
    GradientScale scale = inputs.gradientScale();
    float prescale = layout.isDouble() ? 1 : scale.floatPrescale();
    for (int i = 0; i < groups.size(); i++) {
      writeGroup(i, inputs, prescale != 1, groupBuffer(i), groupAt(i));
    }
    for (int i = 0; i < arguments.length; i++) {
      context.launch(writeGroups, 1, argumentPointers[i]);
    }
    launchLeaves(layout.isDouble() ? scale.scale() : scale.floatScale(), prescale);
  }

  /** With the context current: exchanges a group's sums with other workers, if they are here. */
  void exchange(int group) {
    if (sums != null) {
      sums.exchange(group);
    }
  }

  /** With the context current: the launches from the numbers on that follow from the sums. */
  void launchRest() {
    if (sums != null) {
      sums.launchNumbers(sumsPointer);
    }
    context.launch(kernel, tiles.blocks(), sharedBytes, updatePointer);
  }

  /** Writes the groups of a captured step to the host's memory, from this launch's offset on. */
  void write(StepInputs inputs, ByteBuffer slots, int slot) {
    for (int i = 0; i < groups.size(); i++) {
      int at = slot + tableOffset + i * layout.groupBytes();
      writeFixed(i, slots, at);
      writeGroup(i, inputs, false, slots, at);
    }
  }

  /** Writes the numbers of a group in one step. */
  private void writeGroup(int i, StepInputs inputs, boolean adjustsAll, ByteBuffer target, int at) {
    int group = groups.get(i);
    putReals(target, at, inputs.scalars(group));
    putReals(target, at + layout.gradientNumbers(), inputs.gradientNumbers(group));
    if (writesStored) {
      long step = inputs.step(group);
      int last = at + Layout.MIXED_SCALARS * Float.BYTES;
      target.putFloat(last, (float) inputs.averageWeight(group));
      target.putFloat(last + Float.BYTES, (float) (step & 0xffff)); // exact, as are the next bits
      target.putFloat(last + 2 * Float.BYTES, (float) (step >>> 16 & 0xffff));
    }
    boolean adjusts =
        adjustsAll || plan.options().clipValue() > 0 || inputs.changesGradients(group);
    target.putInt(
        at + layout.groupFlags(),
        (inputs.keepsParameters(group) ? Layout.KEEP_PARAMETERS : 0)
            | (adjusts ? Layout.ADJUST_GRADIENTS : 0));
  }

  /**
   * With the context current: the launches of one step whose groups are written. Allocates nothing.
   *
   * @param factor what gradients are multiplied by after the prescale, unless the norm says it
   */
  void launch(double factor, double prescale) {
    launchLeaves(factor, prescale);
    launchRest();
  }

  private void launchLeaves(double factor, double prescale) {
    putReal(update, layout.prescale(), prescale);
    putReal(update, Layout.Step.SCALE, factor);
    if (tensorFactors != null) {
      tensorFactors.launch(factor, prescale);
    }
    if (sums != null) {
      phase(true);
      sums.launchLeaves(updatePointer, sumsPointer);
      phase(false);
    }
  }

  private void phase(boolean isFirst) {
    if (isMixed) {
      all.putInt(Layout.MIXED_FIRST, isFirst ? 1 : 0);
    }
  }

  /** With the context current: sets the gradients to zero. */
  void launchZero() {
    int flags = update.getInt(layout.flags());
    update.putInt(layout.flags(), Layout.ONLY_ZERO_GRADIENTS);
    try {
      context.launch(kernel, tiles.blocks(), updatePointer);
    } finally {
      update.putInt(layout.flags(), flags);
    }
  }
}
