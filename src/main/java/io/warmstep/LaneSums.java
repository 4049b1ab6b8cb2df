package io.warmstep;

import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.step.Interpolation;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import io.warmstep.storage.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntFunction;
import java.util.function.Supplier;

/**
 * Sums of gradients on a device, one for each lane of micro-batches, in the arithmetic type. A lane
 * starts at 0 and is allocated when first needed. Adding is a step of SGD at a rate of -1, {@code s
 * = fma(1, g, s)}, so that it is one pass and has the same bits on every backend.
 */
final class LaneSums implements AutoCloseable {
  private static final UpdateRule ADDITION = Sgd.sgd();

  private final Device device;
  private final List<Parameter> parameters;
  private final boolean zeroesGradients;
  private final Lane[] lanes;

  /** Micro-batches in each lane, including those of lanes that were added to it. */
  private final long[] counts;

  /** Indexed by the lane that is added, which is only ever added to one other. */
  private final Pass[] joins;

  private Pass rounding; // null until needed
  private final Held held = new Held();
  private final Lifetime lifetime;

  /** The sum of a lane. */
  private record Lane(MemorySlice[] sums, List<Memory> memories, Pass addition) {}

  /** The resources to free; refers to nothing that frees itself. */
  private static final class Held implements Runnable {
    private final List<StepProgram> programs = new CopyOnWriteArrayList<>();
    private final List<Memory> memories = new CopyOnWriteArrayList<>();

    @Override
    public void run() {
      programs.forEach(StepProgram::close);
      memories.forEach(Memory::close);
    }
  }

  /** A pass that is prepared on the device. */
  private final class Pass {
    private final Supplier<StepPlan> plan;
    private final StepInputs inputs = new StepInputs(1);
    private StepProgram program;
    private long rebindings;

    Pass(double scalar, Supplier<StepPlan> plan) {
      this.plan = plan;
      inputs.scalars(0)[0] = scalar;
      prepare();
    }

    private void prepare() {
      rebindings = device.rebindings();
      StepProgram next = device.backend().prepare(plan.get());
      held.programs.add(next);
      if (program != null) {
        held.programs.remove(program);
        program.close();
      }
      program = next;
    }

    /** Follows gradients that were moved to other memory. */
    void follow() {
      long present = device.rebindings();
      if (present != rebindings) {
        if (program.rebind(plan.get())) {
          rebindings = present;
        } else {
          prepare();
        }
      }
    }

    void run() {
      program.run(inputs);
    }
  }

  /**
   * Creates sums that are not allocated yet.
   *
   * @param parameters the parameters whose gradients are added
   * @param lanes the most lanes that there can be
   * @param zeroesGradients whether gradients are set to zero where they are added
   */
  LaneSums(Device device, List<Parameter> parameters, int lanes, boolean zeroesGradients) {
    this.device = device;
    this.parameters = List.copyOf(parameters);
    this.zeroesGradients = zeroesGradients;
    this.lanes = new Lane[lanes];
    this.joins = new Pass[lanes];
    this.counts = new long[lanes];
    this.lifetime = Lifetime.unreported(this, "sums of micro-batches");
    lifetime.ifLost(device.backend(), held);
  }

  /** How many micro-batches were added since the sums were cleared. */
  long count() {
    long count = 0;
    for (long one : counts) {
      count += one;
    }
    return count;
  }

  /** Rejects an operation that would lose micro-batches. */
  void requireNone(String consequence) {
    if (count() > 0) {
      throw new IllegalStateException(
          count() + " micro-batches were accumulated since the last step, " + consequence);
    }
  }

  /** Discards the sums. */
  void clear() {
    Arrays.fill(counts, 0);
  }

  /**
   * Prepares a lane to be added to. Allocates nothing from the second time on.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing changes
   */
  void prepare(int lane) {
    if (lanes[lane] == null) {
      lanes[lane] = allocate();
    }
    lanes[lane].addition.follow();
  }

  private Lane allocate() {
    Map<ElementType, Long> lengths = new EnumMap<>(ElementType.class);
    for (Parameter parameter : parameters) {
      lengths.merge(parameter.gradients().type(), parameter.length(), Long::sum);
    }
    Map<ElementType, Memory> memories = new EnumMap<>(ElementType.class);
    try {
      lengths.forEach(
          (type, length) ->
              memories.put(type, device.backend().allocate(Storage.of(type.arithmetic()), length)));
      Map<ElementType, Long> used = new EnumMap<>(ElementType.class);
      MemorySlice[] sums = new MemorySlice[parameters.size()];
      for (int i = 0; i < sums.length; i++) { // like owned gradients, so that they are one span
        ElementType type = parameters.get(i).gradients().type();
        long length = parameters.get(i).length();
        sums[i] = new MemorySlice(memories.get(type), used.merge(type, length, Long::sum) - length);
      }
      StepOptions options = StepOptions.NONE.zeroGradients(zeroesGradients);
      Pass addition =
          new Pass(-1, () -> additions(sums, i -> parameters.get(i).gradients().slice(), options));
      held.memories.addAll(memories.values());
      return new Lane(sums, List.copyOf(memories.values()), addition);
    } catch (RuntimeException | Error e) {
      memories.values().forEach(Memory::close);
      throw e;
    }
  }

  private StepPlan additions(
      MemorySlice[] sums, IntFunction<MemorySlice> terms, StepOptions options) {
    return plan(
        ADDITION,
        options,
        i -> {
          Parameter parameter = parameters.get(i);
          return StepPlan.Entry.of(
              i,
              parameter.length(),
              parameter.shape(),
              sums[i],
              terms.apply(i),
              ADDITION,
              List.of());
        });
  }

  private StepPlan plan(UpdateRule pass, StepOptions options, IntFunction<StepPlan.Entry> entry) {
    List<StepPlan.Entry> entries = new ArrayList<>();
    for (int i = 0; i < parameters.size(); i++) {
      entries.add(entry.apply(i));
    }
    return new StepPlan(List.of(new StepPlan.Group(pass, entries)), options);
  }

  /** Adds the current gradients to a prepared lane. */
  void add(int lane) {
    if (counts[lane] == 0) {
      zero(lane);
    }
    lanes[lane].addition.run();
    counts[lane]++;
  }

  /** Sets a lane's sum to zero, as for a lane without micro-batches. */
  private void zero(int lane) {
    List<Memory> memories = lanes[lane].memories;
    for (int i = 0; i < memories.size(); i++) { // an iterator would allocate
      memories.get(i).zero(0, memories.get(i).length());
    }
  }

  /**
   * Prepares the addition of one lane to another, if both are used.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing changes
   */
  void prepareJoin(int to, int from) {
    if (counts[from] > 0 && joins[from] == null) {
      prepare(to);
      MemorySlice[] terms = lanes[from].sums;
      joins[from] = new Pass(-1, () -> additions(lanes[to].sums, i -> terms[i], StepOptions.NONE));
    }
  }

  /**
   * Adds one lane, which is then empty, to another. A lane without micro-batches counts as zeros,
   * which change nothing, since no sum that starts at 0 is ever -0.
   */
  void join(int to, int from) {
    if (counts[from] == 0) {
      return;
    }
    if (counts[to] == 0) {
      zero(to);
    }
    joins[from].run();
    counts[to] += counts[from];
    counts[from] = 0;
  }

  /**
   * Prepares the rounding of a sum to the gradients.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing changes
   */
  void prepareRounding() {
    prepare(0);
    if (rounding == null) {
      rounding = new Pass(1, this::roundings);
    }
    rounding.follow();
  }

  /** Sets the gradients to the sum of the first lane, rounded once to their type. */
  void round() {
    complete(0);
    rounding.run();
  }

  private StepPlan roundings() {
    return plan(
        Interpolation.PASS,
        StepOptions.NONE,
        i -> {
          Parameter parameter = parameters.get(i);
          MemorySlice gradients = parameter.gradients().slice();
          return StepPlan.Entry.of(
              i,
              parameter.length(),
              parameter.shape(),
              gradients,
              gradients, // which the pass does not use
              Interpolation.PASS,
              List.of(lanes[0].sums[i]));
        });
  }

  /**
   * Completes the sum of a lane, with zeros if nothing was added.
   *
   * @throws OutOfDeviceMemoryException if there is no room for it; nothing changes
   */
  void complete(int lane) {
    if (counts[lane] == 0) {
      prepare(lane);
      zero(lane);
    }
  }

  /** A lane's sum of a parameter's gradients, which must exist. */
  Tensor sum(int lane, int parameter) {
    MemorySlice slice = lanes[lane].sums[parameter];
    long length = parameters.get(parameter).length();
    return new Tensor(device, slice.memory(), slice.offset(), length, lifetime);
  }

  /** Frees the sums. Closing twice is fine. */
  @Override
  public void close() {
    if (lifetime.end() && device.isOpen()) {
      held.run();
    }
  }
}
