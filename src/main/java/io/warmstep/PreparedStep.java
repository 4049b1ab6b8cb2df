package io.warmstep;

import io.warmstep.backend.CapturedProgram;
import io.warmstep.backend.Memory;
import io.warmstep.backend.Operand;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StepValues;
import io.warmstep.step.CapturedScale;
import io.warmstep.step.StepInputs;
import io.warmstep.step.StepOptions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/** An optimizer's step, prepared on its device. Frozen groups are not part of it. */
final class PreparedStep {
  private final StepOptions options;
  private final OptimizerState state;
  private Parameters parameters;
  private List<TrainedGroup> groups;
  private RandomKeys keys;

  /** The groups that a step updates, in the order of the plan. */
  private List<TrainedGroup> active = List.of();

  private StepInputs inputs = new StepInputs();

  /** For each of these groups. */
  private StepValues[] values = {};

  /** The device's count when the program learned where borrowed tensors are. */
  private long rebindings;

  private long version;

  /** Where the next step puts what it sees of its update; null if it is not measured. */
  private UpdateTiles tiles;

  private final AtomicReference<StepProgram> program = new AtomicReference<>();

  /** The same without a wait; null if the host must know whether each step happens. */
  private final AtomicReference<CapturedProgram> ahead = new AtomicReference<>();

  /** The scale for steps without a wait; null if there are none. */
  private final CapturedScale aheadScale;

  /** Runs before the prepared step is replaced. */
  private final Runnable settling;

  /** The pass behind the step, over the active groups that have slow weights. */
  private SlowPasses slow;

  /** What it runs, if there are any. */
  private final AtomicReference<StepProgram> slowProgram = new AtomicReference<>();

  /** Nothing is done on the device yet. */
  PreparedStep(
      Parameters parameters,
      List<TrainedGroup> groups,
      StepOptions options,
      OptimizerState state,
      CapturedScale aheadScale,
      Runnable settling) {
    this.aheadScale = aheadScale;
    this.settling = settling;
    this.parameters = parameters;
    this.groups = groups;
    this.options = options;
    this.state = state;
    this.keys = RandomKeys.of(options.seed(), parameters);
  }

  List<TrainedGroup> groups() {
    return groups;
  }

  /** What the random numbers follow from. */
  RandomKeys randomKeys() {
    return keys;
  }

  /** The parameters that a step updates, in the order of all. */
  List<Parameter> parameters() {
    Set<Parameter> stepped = Collections.newSetFromMap(new IdentityHashMap<>());
    active.forEach(group -> stepped.addAll(group.rules().members()));
    return parameters.all().stream().filter(stepped::contains).toList();
  }

  /** Prepares the step on the device, once. */
  void prepare() {
    prepare(parameters, groups, keys);
  }

  /**
   * Prepares a step of these groups, in place of the current one.
   *
   * @throws RuntimeException if the device cannot; the current one stays
   */
  void prepare(Parameters all, List<TrainedGroup> next, RandomKeys nextKeys) {
    settling.run();
    long bindings = all.device().rebindings();
    List<TrainedGroup> stepped = next.stream().filter(group -> !group.isFrozen()).toList();
    StepProgram prepared = all.device().backend().prepare(plan(all, stepped, nextKeys));
    Map<Parameter, Integer> index = PassPlan.index(all);
    SlowPasses passes = null;
    CapturedProgram without = null;
    try {
      passes = new SlowPasses(all, index, stepped, state);
      if (aheadScale != null) {
        without = prepared.ahead(aheadScale, passes.plan(index));
      }
    } catch (RuntimeException | Error e) {
      if (passes != null) {
        close(passes.program());
      }
      prepared.close();
      throw e;
    }
    close(program.getAndSet(prepared));
    close(ahead.getAndSet(without));
    close(slowProgram.getAndSet(passes.program()));
    slow = passes;
    rebindings = bindings;
    parameters = all;
    groups = List.copyOf(next);
    keys = nextKeys;
    active = stepped;
    version++;
    inputs = newInputs();
    values = newValues();
  }

  private static void close(CapturedProgram program) {
    if (program != null) {
      program.close();
    }
  }

  private static void close(StepProgram program) {
    if (program != null) {
      program.close();
    }
  }

  private StepPlan plan(Parameters all, List<TrainedGroup> stepped, RandomKeys its) {
    Map<Parameter, Integer> index = PassPlan.index(all);
    List<StepPlan.Group> planned = new ArrayList<>();
    for (TrainedGroup group : stepped) {
      planned.add(group.rules().plan(index, its, state));
    }
    List<RuleGroup> rules = stepped.stream().map(TrainedGroup::rules).toList();
    StepOptions seeded = options.rounding(options.rounding(), its.seed());
    return new StepPlan(planned, OwnClip.of(seeded, rules));
  }

  /**
   * Follows borrowed tensors that were rebound since the last step.
   *
   * @throws IllegalArgumentException if two share memory now; nothing changes
   */
  void followRebinding() {
    long bindings = parameters.device().rebindings();
    if (bindings != rebindings) {
      parameters.checkDisjoint();
      Map<Parameter, Integer> index = PassPlan.index(parameters);
      StepPlan plan = plan(parameters, active, keys);
      CapturedProgram without = ahead.get();
      boolean follows =
          program.get().rebind(plan)
              && slow.rebind(index)
              && (without == null || without.rebind(plan, slow.plan(index)));
      if (!follows) {
        prepare(parameters, groups, keys);
      }
      rebindings = bindings;
    }
  }

  /**
   * Computes the host's numbers for a step.
   *
   * @param number of the optimizer's step
   * @param rate the optimizer's learning rate
   * @param gradientScale the factor that gradients are multiplied by first
   * @throws IllegalStateException if the arithmetic of the parameters cannot hold a number
   */
  void set(long number, double rate, double gradientScale) {
    followRebinding();
    for (int i = 0; i < active.size(); i++) { // an iterator would allocate on every step
      TrainedGroup group = active.get(i);
      fill(inputs, i, group, number, group.nextStep(), rate, group.kept(), values[i]);
    }
    inputs.gradientScale().set(gradientScale);
  }

  /**
   * Computes the numbers of one group in a step.
   *
   * @param to receives them
   * @param index of the group among those that are stepped
   * @param own number of the group's own step
   * @param kept the numbers that its rule keeps, before the step
   * @param at receives the values that they are computed from
   */
  void fill(
      StepInputs to,
      int index,
      TrainedGroup group,
      long number,
      long own,
      double rate,
      double[] kept,
      StepValues at) {
    RuleGroup rules = group.rules();
    at.keep(kept);
    double ownRate =
        rules.numbers(options, number, own, rate, at, to.scalars(index), to.gradientNumbers(index));
    to.keepParameters(index, ownRate == 0);
    to.step(index, own);
    to.averageWeight(index, options.averageWeight(own));
  }

  /**
   * Computes the numbers of the pass over slow weights behind a step.
   *
   * @param of the step's
   * @param to receives them
   */
  void fillSlow(StepInputs of, StepInputs to) {
    slow.fill(of, to);
  }

  /** Room for the numbers of that pass. */
  StepInputs newSlowInputs() {
    return slow.newInputs();
  }

  /** The groups that a step updates, in the order of the plan. */
  List<TrainedGroup> active() {
    return active;
  }

  /** Room for the numbers of a step of these groups. */
  StepInputs newInputs() {
    return new StepInputs(
        active.stream().mapToInt(group -> group.rules().rule().scalarNames().size()).toArray());
  }

  /** Room for the values that the numbers are computed from. */
  StepValues[] newValues() {
    return active.stream().map(group -> group.rules().moving().values()).toArray(StepValues[]::new);
  }

  /** A number that differs for each prepared step. */
  long version() {
    return version;
  }

  /**
   * Prepares the step for graphs.
   *
   * @throws CaptureRefusedException if this is not possible; nothing changes
   */
  CapturedProgram capture(CapturedScale scale) {
    followRebinding();
    return program.get().capture(scale, slow.plan(index()));
  }

  /** The step without a wait for whether it happens; null if there is none. */
  CapturedProgram ahead() {
    return ahead.get();
  }

  /** Whether {@link #begin} copies anything. */
  boolean copiesParameters() {
    return active.stream().anyMatch(group -> group.steps() == 0 && state.hasCopies(group.rules()));
  }

  /** Before a step: sets state that follows the parameters, for groups without a step. */
  void begin() {
    for (int i = 0; i < active.size(); i++) {
      if (active.get(i).steps() == 0) {
        state.begin(active.get(i).rules());
      }
    }
  }

  /** Runs the step; false if it was skipped because of a non-finite gradient. */
  boolean run() {
    begin();
    UpdateTiles measured = tiles;
    tiles = null;
    boolean happened =
        measured == null ? program.get().run(inputs) : program.get().run(inputs, measured);
    for (int i = 0; happened && i < active.size(); i++) {
      active.get(i).advance(values[i]);
    }
    if (happened) {
      slow.run(inputs);
    }
    return happened;
  }

  /** Whether slow weights move the parameters of a group once more after some steps. */
  boolean hasSlowWeights(int group) {
    return active.get(group).rules().rule().slowWeights().isPresent();
  }

  /** Whether they do after its next step. */
  boolean isSlowPassNext(int group) {
    TrainedGroup next = active.get(group);
    return SlowPasses.isAfter(next.rules(), next.nextStep());
  }

  /**
   * Has the next step measure its update.
   *
   * @param to receives what it sees, or null if it measures nothing
   * @param isAhead whether it is run by {@link #launchAhead}
   * @throws OutOfDeviceMemoryException if there is no room for that; the next step measures nothing
   */
  void measureNext(UpdateTiles to, boolean isAhead) {
    tiles = null;
    if (to != null) {
      if (isAhead) {
        ahead.get().prepare(to);
      } else {
        program.get().prepare(to);
      }
      tiles = to;
    }
  }

  /** Launches the step without a wait for whether it happens. */
  void launchAhead() {
    UpdateTiles measured = tiles;
    tiles = null;
    if (measured == null) {
      ahead.get().launch();
    } else {
      ahead.get().launch(measured);
    }
  }

  /** What the step does. */
  StepPlan plan() {
    return plan(parameters, active, keys);
  }

  /** Position of a parameter among all of the plan. */
  Map<Parameter, Integer> index() {
    return PassPlan.index(parameters);
  }

  /** The state of a parameter that is stored as codes, by the names of its slots. */
  Map<String, Operand> codes(RuleGroup group, Parameter parameter) {
    List<StateSlot> slots = group.rule().stateSlots(parameter.shape().size());
    List<Operand> operands = state.slots(parameter.name());
    Map<String, Operand> codes = new LinkedHashMap<>();
    for (int i = 0; i < slots.size(); i++) {
      if (operands.get(i).encoding().isCoded()) {
        codes.put(slots.get(i).name(), operands.get(i));
      }
    }
    return codes;
  }

  /**
   * Sets every gradient to zero, which may become part of a graph.
   *
   * @throws io.warmstep.backend.StepRefusedException if the caller is capturing one, and tensors
   *     were rebound, which it would write in each of its launches; nothing changes
   */
  void zeroGradients() {
    if (parameters.device().rebindings() != rebindings) {
      parameters.device().backend().refuseCapture();
    }
    followRebinding();
    program.get().zeroGradients();
  }

  double gradientNorm() {
    return program.get().gradientNorm();
  }

  /** Type of the norm that {@link #keepNorm} copies. */
  ElementType normType() {
    return program.get().normType();
  }

  /** Copies the last norm to memory of the device, in the order of its work; false without one. */
  boolean keepNorm(Memory to) {
    return program.get().keepNorm(to);
  }

  /**
   * Frees all of an optimizer's resources, and refers neither to it nor to this.
   *
   * @param others likewise
   */
  Runnable releaseWith(List<Memory> allocations, List<Runnable> others) {
    AtomicReference<StepProgram> held = program;
    AtomicReference<StepProgram> passes = slowProgram;
    AtomicReference<CapturedProgram> without = ahead;
    return () -> {
      held.get().close();
      close(without.get());
      close(passes.get());
      allocations.forEach(Memory::close);
      others.forEach(Runnable::run);
    };
  }
}
