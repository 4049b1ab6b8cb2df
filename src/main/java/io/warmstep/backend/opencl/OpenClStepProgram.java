package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.backend.Span;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.GradientScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A step as launches of kernels, all prepared but for the step's numbers. Parameters that lie in
 * the same buffers share one launch: all owned ones of a type, and borrowed ones of one buffer. The
 * numbers of up to 16 parameter groups are an argument, fewer where a device has room only for the
 * 1024 bytes that are guaranteed; more groups take another launch.
 *
 * <p>Nothing is waited for, except where non-finite gradients skip the step: whether it happened is
 * what {@link #run} returns, as soon as the norm shows it, while the update still runs. Or the step
 * is an {@link OpenClAheadStep}'s, with a ring, and run by {@link #launchAhead}.
 */
final class OpenClStepProgram implements StepProgram {
  private final OpenClDevice device;
  private final StepPlan plan;
  private final ReleaseStack resources = new ReleaseStack();
  private final Programs programs;
  private final String bufferOptions;
  private List<OpenClSpan> spans;
  private Zeroing zeroing; // made at its first use, and anew when buffers have changed
  private final List<GroupNumbers> numbers = new ArrayList<>();
  private final List<Launch> launches = new ArrayList<>();
  private final List<OpenClGroupSums> groupSums = new ArrayList<>();
  private final List<Integer> sharedGroups;
  private final OpenClNorm norm;
  private final boolean ownsNorm;
  private final AheadRing ring; // or null
  private final MatrixSpace matrixSpace;
  private final StepInputs unused = new StepInputs(); // with a ring, which has the step's
  private boolean hasRun;

  /** In place of the launches in a step that is measured; each made when it is first needed. */
  private final MeasuredUpdate[] measured;

  private boolean isMeasuring;

  /** One launch of the update. */
  private record Launch(
      StepPlan.SameRule rule,
      Kernel kernel,
      GroupNumbers numbers,
      boolean isDouble,
      LaunchKey key,
      List<Integer> members, // of the spans
      Segments segments,
      OpenClSums sums, // or null
      OpenClTensorFactors tensorFactors, // or null
      int lanes,
      boolean drawsRuns) { // of random numbers, from the first element of each span
    /** Whether spans of memory elsewhere, in one set of buffers, can take the members' place. */
    boolean canRebind(List<OpenClSpan> before, List<OpenClSpan> after) {
      List<Long> buffers = after.get(members.get(0)).handles();
      for (int member : members) {
        OpenClSpan span = after.get(member);
        if (!span.isLike(before.get(member)) || !span.handles().equals(buffers)) {
          return false;
        }
      }
      return true;
    }

    void rebind(OpenClContext context, StepPlan plan, List<OpenClSpan> spans) {
      List<long[]> fields = new ArrayList<>();
      for (int i = 0; i < members.size(); i++) {
        OpenClSpan span = spans.get(members.get(i));
        fields.add(fields(plan, i, span, isAligned(span)));
      }
      segments.rewrite(context, fields);
      setBuffers(kernel, spans.get(members.get(0)));
      if (sums != null) {
        List<OpenClSpan> tensors = members.stream().map(spans::get).toList();
        sums.rebind(context, tensors, tensors.stream().map(span -> tag(key, plan, span)).toList());
      }
      if (tensorFactors != null) {
        tensorFactors.rebind(members.stream().map(spans::get).toList());
      }
    }

    void rebind(
        MeasuredUpdate update, OpenClContext context, StepPlan plan, List<OpenClSpan> spans) {
      List<OpenClSpan> parts = parts(spans);
      List<long[]> fields = new ArrayList<>();
      for (int i = 0; i < parts.size(); i++) {
        fields.add(fields(plan, i, parts.get(i), parts.get(i).isAlignedAtStart(lanes)));
      }
      update.segments().rewrite(context, fields);
      setBuffers(update.kernel(), parts.get(0));
    }

    /** The parameters one by one; under a rule with sums each is a member anyway. */
    List<OpenClSpan> parts(List<OpenClSpan> spans) {
      return members.stream().flatMap(member -> spans.get(member).parts().stream()).toList();
    }

    void setBuffers(Kernel kernel, OpenClSpan span) {
      for (int i = 0; i < span.buffers.length; i++) {
        kernel.setBuffer(10 + i, span.buffers[i]);
      }
      if (span.isMixed()) {
        kernel.setBuffer(mixedArgument(span), span.rest);
        kernel.setBuffer(mixedArgument(span) + 3, span.average);
      }
      if (span.factors != null) {
        sums.factors().setBuffers(kernel, 11 + span.buffers.length);
      }
    }

    /** The first of the arguments for operands that are stored in several ways. */
    int mixedArgument(OpenClSpan span) {
      return 10 + span.buffers.length + (sums == null ? 0 : 1);
    }

    /** The one for the factors of tensors. */
    int factorsArgument(OpenClSpan span) {
      return mixedArgument(span) + (span.isMixed() ? 4 : 0);
    }

    /** The first of those of a measured update. */
    int placesArgument(OpenClSpan span) {
      return factorsArgument(span)
          + (span.factors == null ? 0 : 2)
          + (tensorFactors == null ? 0 : 1);
    }

    boolean isAligned(OpenClSpan span) {
      return drawsRuns ? span.isAlignedAtStart(lanes) : span.isAligned(lanes);
    }

    /** What a segment has after the number of its first tile. */
    long[] fields(StepPlan plan, int member, OpenClSpan span, boolean isAligned) {
      int operands = span.offsets.length;
      long[] factored = span.factors == null ? new long[0] : sums.factors().fields(member, span);
      long[] fields = new long[2 + operands + factored.length + (span.isMixed() ? 4 : 0)];
      fields[0] = span.length;
      fields[1] = tag(key, plan, span) | (isAligned ? 1L : 0L) << 48;
      System.arraycopy(span.offsets, 0, fields, 2, operands);
      System.arraycopy(factored, 0, fields, 2 + operands, factored.length);
      if (span.isMixed()) {
        fields[2 + operands] = span.restOffset;
        fields[3 + operands] = span.averageOffset;
        fields[4 + operands] = span.parameter;
        fields[5 + operands] = span.first;
      }
      return fields;
    }
  }

  /** A span's group and options. */
  private static long tag(LaunchKey key, StepPlan plan, OpenClSpan span) {
    return key.groups.indexOf(span.group)
        | (long) plan.groups().get(span.group).rule().options() << 32;
  }

  /** What parameters of one launch have in common. */
  private record LaunchKey(
      ElementType type,
      List<String> encodings,
      List<Integer> groups,
      List<Long> buffers,
      boolean clipsTensors) {}

  /** Groups whose numbers are one argument. */
  private record NumbersKey(boolean isDouble, List<Integer> groups) {}

  OpenClStepProgram(OpenClDevice device, Programs programs, StepPlan plan) {
    this(device, programs, plan, null, null, null);
  }

  /**
   * Takes over the ring, if there is one.
   *
   * @param plain the same step without a ring, to be run in place of this one; null without a ring
   */
  OpenClStepProgram(
      OpenClDevice device,
      Programs programs,
      StepPlan plan,
      AheadRing ring,
      OpenClStepProgram plain) {
    this(device, programs, plan, ring, plain, null);
  }

  /**
   * Where another step comes before and decides about this one, too, its ring and norm stay its.
   *
   * @param before the other one, or null
   */
  private OpenClStepProgram(
      OpenClDevice device,
      Programs programs,
      StepPlan plan,
      AheadRing ring,
      OpenClStepProgram plain,
      OpenClStepProgram before) {
    this.device = device;
    this.ring = ring;
    this.matrixSpace =
        plain == null ? new MatrixSpace(device.context(), resources) : plain.matrixSpace;
    this.plan = plan;
    this.programs = programs;
    this.sharedGroups = plan.sharedGroups();
    this.bufferOptions = device.context().bufferOptions();
    try {
      if (ring != null && before == null) {
        resources.add(ring);
      }
      spans = Span.of(plan).stream().map(OpenClSpan::new).toList();
      ownsNorm = before == null && plan.options().needsNorm();
      norm =
          ownsNorm
              ? resources.add(new OpenClNorm(device.context(), programs, plan, ring))
              : before == null ? null : before.norm;
      for (StepPlan.SameRule rule : plan.rules()) {
        addLaunches(programs, rule);
      }
      if (plan.options().zeroGradients() && plan.options().skipNonFinite() && ring == null) {
        zeroing(); // which a skipped step does
      }
      measured = new MeasuredUpdate[launches.size()];
      device.context().finish(); // so that what cannot be done fails here rather than in a step
    } catch (RuntimeException | Error e) {
      closeZeroing();
      resources.close();
      throw e;
    }
  }

  private void addLaunches(Programs programs, StepPlan.SameRule rule) {
    Map<LaunchKey, List<Integer>> together = new LinkedHashMap<>();
    for (int i = 0; i < spans.size(); i++) {
      OpenClSpan span = spans.get(i);
      int place = rule.groups().indexOf(span.group);
      if (place >= 0) {
        int capacity = programs.groups(rule, span.type == ElementType.FLOAT64);
        int first = place / capacity * capacity;
        int end = Math.min(first + capacity, rule.groups().size());
        LaunchKey key =
            new LaunchKey(
                span.type,
                span.encodings,
                rule.groups().subList(first, end),
                span.handles(),
                plan.groups().get(span.group).adaptiveClip().isUsed());
        together.computeIfAbsent(key, k -> new ArrayList<>()).add(i);
      }
    }
    Map<NumbersKey, GroupNumbers> byKey = new LinkedHashMap<>();
    Map<GroupNumbers, OpenClGroupSums> wholes = new LinkedHashMap<>();
    together.forEach(
        (key, members) -> {
          boolean isDouble = key.type == ElementType.FLOAT64;
          int capacity = programs.groups(rule, isDouble);
          GroupNumbers shared =
              byKey.computeIfAbsent(
                  new NumbersKey(isDouble, key.groups),
                  k ->
                      new GroupNumbers(
                          device.context(), plan, k.groups, capacity, k.isDouble, ring, resources));
          OpenClGroupSums whole =
              rule.isOfGroups()
                  ? wholes.computeIfAbsent(
                      shared, numbers -> groupSums(programs, rule, key, numbers))
                  : null;
          launches.add(launch(programs, rule, key, members, shared, whole));
        });
    numbers.addAll(byKey.values());
    groupSums.addAll(wholes.values());
  }

  /** What is added up over groups whose numbers are one argument: all of one arithmetic. */
  private OpenClGroupSums groupSums(
      Programs programs, StepPlan.SameRule rule, LaunchKey key, GroupNumbers shared) {
    boolean isDouble = key.type == ElementType.FLOAT64;
    List<OpenClSpan> members =
        spans.stream()
            .filter(span -> key.groups.contains(span.group))
            .filter(span -> (span.type == ElementType.FLOAT64) == isDouble)
            .toList();
    List<Integer> options =
        key.groups.stream().map(group -> plan.groups().get(group).rule().options()).toList();
    return new OpenClGroupSums(
        device.context(),
        programs,
        plan,
        rule,
        key.groups,
        members,
        options,
        shared,
        norm,
        resources);
  }

  private Launch launch(
      Programs programs,
      StepPlan.SameRule rule,
      LaunchKey key,
      List<Integer> members,
      GroupNumbers shared,
      OpenClGroupSums whole) {
    ElementType type = key.type;
    boolean isDouble = type == ElementType.FLOAT64;
    int lanes = programs.shape().lanes(type);
    OpenClSpan first = spans.get(members.get(0));
    int tileLength = programs.tileLength(type, key.encodings);
    boolean drawsRuns = programs.drawsRuns(key.encodings);
    Segments segments = resources.add(segments(first));
    Kernel kernel = resources.add(kernel(rule, key, first, false));
    List<OpenClSpan> tensors = members.stream().map(spans::get).toList();
    List<Long> tags = tensors.stream().map(span -> tag(key, plan, span)).toList();
    OpenClContext context = device.context();
    OpenClSums sums =
        rule.sums().isEmpty()
            ? null
            : new OpenClSums(
                context,
                programs,
                plan,
                rule,
                tensors,
                tags,
                shared,
                norm,
                whole,
                matrixSpace,
                resources);
    OpenClTensorFactors tensorFactors =
        key.clipsTensors
            ? new OpenClTensorFactors(context, programs, plan, tensors, norm, resources)
            : null;
    Launch launch =
        new Launch(
            rule,
            kernel,
            shared,
            isDouble,
            key,
            members,
            segments,
            sums,
            tensorFactors,
            lanes,
            drawsRuns);
    for (int i = 0; i < tensors.size(); i++) {
      OpenClSpan span = tensors.get(i);
      long tiles = drawsRuns ? span.tiles(tileLength) : span.tiles(lanes, tileLength);
      segments.add(tiles, launch.fields(plan, i, span, launch.isAligned(span)));
    }
    segments.upload(device.context());
    setArguments(launch, kernel, segments, first);
    return launch;
  }

  private static Segments segments(OpenClSpan first) {
    int operands = first.buffers.length;
    return new Segments(
        first.isMixed()
            ? Programs.mixedSegmentFields(operands)
            : Programs.segmentFields(operands)
                + (first.factors == null ? 0 : Programs.FACTORED_FIELDS));
  }

  private Kernel kernel(
      StepPlan.SameRule rule, LaunchKey key, OpenClSpan first, boolean isMeasured) {
    return programs.step(
        rule,
        key.type,
        first.buffers.length,
        key.encodings,
        first.hasAverage(),
        first.factors != null,
        key.clipsTensors,
        isMeasured);
  }

  /** Sets the arguments that do not change from step to step. */
  private void setArguments(Launch launch, Kernel kernel, Segments segments, OpenClSpan first) {
    boolean isDouble = launch.isDouble;
    StepOptions options = plan.options();
    kernel.setReal(3, options.clipValue() > 0 ? options.clipValue() : -1, isDouble);
    kernel.setInt(4, OpenClNorm.flags(norm));
    kernel.setInt(5, options.zeroGradients() ? 1 : 0);
    kernel.setInt(6, segments.hasTileTable() ? 1 : 0);
    kernel.setBuffer(7, norm == null ? segments.segmentBuffer() : norm.control(isDouble));
    kernel.setBuffer(8, segments.segmentBuffer());
    kernel.setBuffer(9, segments.tileBuffer());
    launch.setBuffers(kernel, first);
    if (first.isMixed()) {
      kernel.setInt(launch.mixedArgument(first) + 1, (int) options.seed());
      kernel.setInt(launch.mixedArgument(first) + 2, (int) (options.seed() >>> 32));
    }
    if (launch.sums != null) {
      kernel.setBuffer(10 + first.buffers.length, launch.sums.numbers());
    }
    if (launch.tensorFactors != null) {
      kernel.setBuffer(launch.factorsArgument(first), launch.tensorFactors.factors());
    }
    kernel.workGroups(segments.tiles());
  }

  private MeasuredUpdate measured(Launch launch) {
    List<OpenClSpan> parts = launch.parts(spans);
    OpenClSpan first = parts.get(0);
    Segments segments = segments(first);
    for (int i = 0; i < parts.size(); i++) {
      OpenClSpan span = parts.get(i);
      segments.add(
          Math.max(UpdateTiles.count(span.length), 1),
          launch.fields(plan, i, span, span.isAlignedAtStart(launch.lanes)));
    }
    MeasuredUpdate update =
        new MeasuredUpdate(
            device.context(),
            kernel(launch.rule, launch.key, first, true),
            segments,
            parts.stream().mapToInt(span -> span.index).toArray(),
            launch.placesArgument(first));
    try {
      setArguments(launch, update.kernel(), segments, first);
      return resources.add(update);
    } catch (RuntimeException | Error e) {
      update.close();
      throw e;
    }
  }

  @Override
  public boolean rebind(StepPlan next) {
    List<OpenClSpan> after = Span.of(next).stream().map(OpenClSpan::new).toList();
    if (after.size() != spans.size() || !device.context().bufferOptions().equals(bufferOptions)) {
      return false;
    }
    for (Launch launch : launches) {
      if (!launch.canRebind(spans, after)) {
        return false;
      }
    }
    if (ownsNorm && !norm.canRebind(next)) {
      return false;
    }
    for (int i = 0; i < measured.length; i++) {
      launches.get(i).rebind(device.context(), plan, after);
      if (measured[i] != null) {
        launches.get(i).rebind(measured[i], device.context(), plan, after);
      }
    }
    if (ownsNorm) {
      norm.rebind(next);
    }
    spans = after;
    closeZeroing();
    return true;
  }

  /** Builds kernels, too. */
  @Override
  public void prepare(UpdateTiles tiles) {
    for (int i = 0; i < measured.length; i++) {
      if (measured[i] == null && hasRows(launches.get(i), tiles)) {
        measured[i] = measured(launches.get(i));
      }
      if (measured[i] != null) {
        measured[i].prepare(tiles);
      }
    }
  }

  private boolean hasRows(Launch launch, UpdateTiles tiles) {
    return launch.parts(spans).stream().anyMatch(span -> tiles.rows(span.index) != null);
  }

  @Override
  public boolean run(StepInputs inputs, UpdateTiles tiles) {
    measure(true);
    try {
      return run(inputs);
    } finally {
      measure(false);
    }
  }

  /** Whether launches from now on measure the update. */
  void measure(boolean measures) {
    isMeasuring = measures;
  }

  @Override
  public boolean run(StepInputs inputs) {
    hasRun = true;
    if (norm != null) {
      norm.launch(inputs);
      if (plan.options().skipNonFinite()) {
        norm.mark();
      }
    }
    for (int i = 0; i < numbers.size(); i++) { // an iterator would allocate on every step
      numbers.get(i).fill(inputs);
    }
    launchBehindNorm(inputs);
    if (!plan.options().skipNonFinite() || norm.awaitFinite()) {
      return true;
    }
    if (plan.options().zeroGradients()) {
      zeroGradients();
    }
    return false;
  }

  /** Takes the numbers of a step to come, which has a place in the ring. */
  void write(int place, StepInputs inputs) {
    for (int i = 0; i < numbers.size(); i++) { // an iterator would allocate on every step
      numbers.get(i).fill(inputs, place);
    }
  }

  /** Gives them to the device. */
  void put(int place) {
    for (int i = 0; i < numbers.size(); i++) { // an iterator would allocate on every step
      numbers.get(i).put(place);
    }
  }

  /** The launches of a step of the ring's, the first being 1. Allocates nothing. */
  void launchAhead(long launch) {
    hasRun = true;
    norm.launchAhead(launch);
    launchBehindNorm(unused);
  }

  /** The same of one that another step was {@linkplain #followedBy followed by}. */
  void launchBehind() {
    if (!launches.isEmpty()) {
      launchBehindNorm(unused);
    }
  }

  private void launchBehindNorm(StepInputs inputs) {
    for (int i = 0; i < launches.size(); i++) {
      if (launches.get(i).sums != null) {
        launches.get(i).sums.launch(inputs);
      }
      if (launches.get(i).tensorFactors != null) {
        launches.get(i).tensorFactors.launch(inputs);
      }
    }
    if (!sharedGroups.isEmpty()) {
      exchangeSums();
    }
    for (int i = 0; i < groupSums.size(); i++) {
      groupSums.get(i).launch();
    }
    for (int i = 0; i < launches.size(); i++) {
      Launch launch = launches.get(i);
      Kernel kernel = isMeasuring && measured[i] != null ? measured[i].kernel() : launch.kernel;
      launch.numbers.set(kernel, 0);
      GradientScale scale = inputs.gradientScale();
      boolean isDouble = launch.isDouble;
      kernel.setReal(1, isDouble ? scale.scale() : scale.floatScale(), isDouble);
      kernel.setReal(2, isDouble ? 1 : scale.floatPrescale(), isDouble);
      kernel.launch();
    }
    device.context().flush();
  }

  @Override
  public CapturedProgram ahead(CapturedScale scale, StepPlan passes) {
    return device.ahead(plan, passes, scale, this);
  }

  /** Passes that take place where a step of the ring's does, from the same places. */
  OpenClStepProgram followedBy(StepPlan passes) {
    return new OpenClStepProgram(device, programs, passes, ring, this, this);
  }

  /** In the plan's order, and in no step that is skipped. */
  private void exchangeSums() {
    if (!plan.options().skipNonFinite() || norm.awaitFinite()) {
      sharedGroups.forEach(group -> groupSums.forEach(sums -> sums.exchange(group)));
    }
  }

  @Override
  public double gradientNorm() {
    return norm == null || !hasRun ? Double.NaN : norm.norm();
  }

  @Override
  public ElementType normType() {
    return norm == null ? ElementType.FLOAT64 : norm.keptType();
  }

  @Override
  public boolean keepNorm(Memory to) {
    if (norm == null || !hasRun) {
      return false;
    }
    norm.keep(((OpenClMemory) to).buffer(), 0);
    return true;
  }

  @Override
  public void zeroGradients() {
    zeroing().run();
    device.context().flush();
  }

  private Zeroing zeroing() {
    if (zeroing == null) {
      zeroing = new Zeroing(device.context(), programs, spans);
    }
    return zeroing;
  }

  private void closeZeroing() {
    if (zeroing != null) {
      zeroing.close();
      zeroing = null;
    }
  }

  @Override
  public void close() {
    if (device.forget(this)) {
      release();
    }
  }

  void release() {
    closeZeroing();
    resources.close();
  }
}
