package io.warmstep;

import io.warmstep.checkpoint.CheckpointMismatchException;
import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.PyTorchNames;
import io.warmstep.checkpoint.RestoreReport;
import io.warmstep.checkpoint.SavedOptimizer;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.rule.StateSlot;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedule;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Restores an optimizer from a verified file. First everything is compared and nothing changed; if
 * all fits, everything is copied.
 */
final class OptimizerRestorer {
  private final Optimizer optimizer;
  private final OptimizerCheckpoint choices;
  private final CheckpointReader reader;
  private final Optional<SavedOptimizer> saved;
  private final List<String> differences = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final List<FileCopy> copies = new ArrayList<>();
  private final Set<String> consumed = new HashSet<>();
  private final List<Parameter> restored = new ArrayList<>();
  private final List<Parameter> added = new ArrayList<>();

  /** Parameters whose master or average the file lacks, and which. */
  private final Map<Parameter, List<String>> incomplete = new LinkedHashMap<>();

  private int valuesFound;

  OptimizerRestorer(Optimizer optimizer, OptimizerCheckpoint choices, CheckpointReader reader)
      throws IOException {
    this.optimizer = optimizer;
    this.choices = choices;
    this.reader = reader;
    saved = SavedOptimizer.of(reader);
  }

  RestoreReport restore() throws IOException {
    for (Parameter parameter : optimizer.parameters()) {
      compare(parameter);
    }
    compareRest();
    RestoredRules rules = new RestoredRules(choices, reader, saved, added, differences, notes);
    List<RuleGroup> restoredRules = rules.of(optimizer.trainedGroups());
    RestoredProgress progress =
        new RestoredProgress(optimizer, choices, reader, saved, restored, differences);
    List<TrainedGroup> groups = new ArrayList<>();
    long steps = saved.map(SavedOptimizer::steps).orElse(0L);
    for (int i = 0; i < restoredRules.size(); i++) {
      TrainedGroup present = optimizer.trainedGroups().get(i);
      long own = progress.steps(present.rules());
      steps = Math.max(steps, own);
      double[] kept = progress.kept(restoredRules.get(i), own);
      progress.compareShared(restoredRules.get(i));
      groups.add(new TrainedGroup(restoredRules.get(i), own, kept, rules.isFrozen(present)));
    }
    if (saved.isEmpty() && !progress.hasSteps()) {
      notes.add("the file has no step count: the optimizer goes on after step " + steps);
    }
    LossScaler.State scaler = scaler();
    List<PlateauSchedule> plateaus = plateaus();
    RandomKeys keys = randomKeys();
    double rate = constantRate();
    for (TrainedGroup group : groups) {
      try {
        group.requireHyperparameters(optimizer.options(), rate);
      } catch (IllegalArgumentException e) {
        differences.add(e.getMessage()); // the parameters' arithmetic cannot hold a number
      }
    }
    try {
      OwnClip.of(optimizer.options(), restoredRules);
    } catch (IllegalArgumentException e) {
      differences.add(e.getMessage());
    }
    compareValues();
    if (!differences.isEmpty()) {
      throw new CheckpointMismatchException(reader.source(), differences);
    }
    takeOver(groups, keys);
    copy();
    for (int i = 0; i < plateaus.size(); i++) {
      plateaus.get(i).restore(saved.orElseThrow().plateaus().get(i));
    }
    if (scaler != null) {
      optimizer.scaler().restore(scaler);
    }
    if (optimizer.rates().isConstant()) {
      optimizer.rates().set(rate);
    }
    optimizer
        .progress()
        .restore(
            steps,
            saved.map(SavedOptimizer::skippedSteps).orElse(0L),
            saved.map(SavedOptimizer::learningRate).orElse(Double.NaN));
    optimizer.optimizerState().allRestored();
    return new RestoreReport(steps, valuesFound > 0, notes);
  }

  /** Prepares the step again only if it has to do something else. */
  private void takeOver(List<TrainedGroup> groups, RandomKeys keys) {
    List<TrainedGroup> present = optimizer.trainedGroups();
    boolean changes = !keys.equals(optimizer.prepared().randomKeys());
    for (int i = 0; i < groups.size(); i++) {
      changes |= !groups.get(i).doesAs(present.get(i));
    }
    if (changes) {
      optimizer.use(groups, keys);
    } else {
      for (int i = 0; i < groups.size(); i++) {
        present.get(i).restore(groups.get(i));
      }
    }
  }

  private void copy() throws IOException {
    try {
      for (FileCopy copy : copies) {
        copy.run(reader);
      }
      for (Parameter parameter : added) {
        for (StateSlot slot : rule(parameter).rule().stateSlots(parameter.shape().size())) {
          boolean isOthers =
              slot.extent() == StateSlot.Extent.GROUP
                  && rule(parameter).members().stream().anyMatch(restored::contains);
          if (slot.isState() && !isOthers) {
            optimizer.optimizerState().reset(parameter, slot);
          }
        }
        optimizer.optimizerState().restart(parameter, OptimizerState.MASTER);
        optimizer.optimizerState().restart(parameter, OptimizerState.AVERAGE);
      }
      for (Parameter parameter : restored) {
        List<String> missing = incomplete.getOrDefault(parameter, List.of());
        missing.forEach(slot -> optimizer.optimizerState().restart(parameter, slot));
        optimizer.stateNames(parameter.name()).stream()
            .filter(slot -> !missing.contains(slot))
            .forEach(slot -> optimizer.optimizerState().requested(parameter.name(), slot));
      }
    } catch (IOException | RuntimeException | Error e) {
      optimizer.progress().fail(e);
      throw e;
    }
  }

  private RuleGroup rule(Parameter parameter) {
    return optimizer.trainedGroups().stream()
        .filter(group -> group.has(parameter))
        .map(TrainedGroup::rules)
        .findFirst()
        .orElseThrow();
  }

  /** Finds a parameter's state and values. */
  private void compare(Parameter parameter) throws IOException {
    String name = choices.savedName(parameter);
    String step = PyTorchNames.state(name, PyTorchNames.STEP);
    List<String> slots = optimizer.stateNames(parameter.name());
    boolean isThere =
        saved.isPresent()
            ? savedParameters().contains(name)
            : slots.stream().anyMatch(slot -> has(PyTorchNames.state(name, slot))) || has(step);
    if (!isThere) {
      added.add(parameter);
      if (choices.allowsAdded()) {
        notes.add(parameter.name() + " is not in the file and starts with an empty state");
      } else {
        differences.add("the file has no state of " + name);
      }
      return;
    }
    restored.add(parameter);
    consumed.add(step);
    for (StateSlot number : rule(parameter).rule().keptNumbers()) {
      consumed.add(PyTorchNames.state(name, number.name()));
    }
    // Before a master, from which the values are rounded: it may have other bits than the file's.
    if (choices.hasParameters() && has(name)) {
      valuesFound++;
      find(name, parameter.values(), parameter.shape());
    }
    for (String slot : slots) {
      if (OptimizerState.followsValues(slot) && !has(PyTorchNames.state(name, slot))) {
        incomplete.computeIfAbsent(parameter, key -> new ArrayList<>()).add(slot);
        notes.add(parameter.name() + " has no " + slot + " in the file: it starts at the values");
        continue;
      }
      findState(parameter, name, slot);
    }
  }

  private void findState(Parameter parameter, String savedName, String slot) throws IOException {
    OptimizerState state = optimizer.optimizerState();
    String name = PyTorchNames.state(savedName, slot);
    Tensor target = state.tensor(parameter.name(), slot);
    List<Long> shape = state.shape(parameter, slot);
    Optional<CodedMemory> codes = state.codes(parameter.name(), slot);
    Optional<SavedCodes> saved = SavedCodes.of(reader, name);
    Optional<String> lack = SavedCodes.lack(reader, name);
    if (saved.isPresent() || lack.isPresent()) {
      consumed.add(SavedCodes.scaleName(name));
    }
    if (lack.isPresent()) {
      consumed.add(name);
      differences.add(lack.get());
      return;
    }
    if (codes.isEmpty() && saved.isEmpty()) {
      find(name, target, shape);
      return;
    }
    consumed.add(name);
    if (!hasShape(name, target, shape)) {
      return;
    }
    Optional<String> difference = SavedCodes.difference(reader, name, saved, codes, target);
    if (difference.isEmpty()) {
      difference = saved.orElseThrow().flaw(reader);
    }
    difference.ifPresentOrElse(
        differences::add, () -> copies.add(saved.orElseThrow().copyTo(target, codes)));
  }

  private boolean has(String tensor) {
    return reader.tensor(tensor).isPresent();
  }

  private Set<String> savedParameters() {
    Set<String> names = new HashSet<>();
    saved.ifPresent(about -> about.groups().forEach(group -> names.addAll(group.parameters())));
    return names;
  }

  private void find(String name, Tensor target, List<Long> shape) {
    consumed.add(name);
    if (!hasShape(name, target, shape)) {
      return;
    }
    TensorEntry entry = reader.tensor(name).orElseThrow();
    if (!TensorCopy.isExact(entry.format(), target.type())) {
      differences.add(name + " is " + entry.format() + " in the file, here " + target.type());
    } else {
      copies.add(new TensorCopy(entry, target));
    }
  }

  /** Whether the file has as many elements of that shape; else notes the difference. */
  private boolean hasShape(String name, Tensor target, List<Long> shape) {
    Optional<TensorEntry> entry = reader.tensor(name);
    if (entry.isEmpty()) {
      differences.add("the file has no " + name);
    } else if (entry.get().count() != target.length()) {
      differences.add(
          name
              + " has "
              + entry.get().count()
              + " elements in the file, "
              + target.length()
              + " here");
    } else if (isShaped(shape)
        && isShaped(entry.get().shape())
        && !shape.equals(entry.get().shape())) {
      differences.add(
          name + " has the shape " + entry.get().shape() + " in the file, " + shape + " here");
    } else {
      return true;
    }
    return false;
  }

  /** Whether it is more than a number of elements, as is stored if no shape was set. */
  private static boolean isShaped(List<Long> shape) {
    return shape.size() > 1;
  }

  /** All values or none: a mixture of a file's and a new model's makes no sense. */
  private void compareValues() {
    if (choices.hasParameters() && valuesFound > 0 && valuesFound < restored.size()) {
      for (Parameter parameter : restored) {
        if (!has(choices.savedName(parameter))) {
          differences.add("the file has no values of " + choices.savedName(parameter));
        }
      }
    }
    if (choices.hasParameters() && valuesFound == 0 && !restored.isEmpty()) {
      notes.add("the parameters' values are not in the file and stay as they are");
    }
  }

  /** Checks the state in the file that has not been used. */
  private void compareRest() {
    Map<String, String> present = new LinkedHashMap<>();
    restored.forEach(parameter -> present.put(choices.savedName(parameter), parameter.name()));
    Set<String> candidates = new HashSet<>(savedParameters());
    candidates.addAll(present.keySet());
    Set<String> dropped = new TreeSet<>(savedParameters());
    dropped.removeAll(present.keySet());
    for (TensorEntry entry : reader.tensors()) {
      if (!entry.name().startsWith(PyTorchNames.STATE) || consumed.contains(entry.name())) {
        continue;
      }
      String rest = entry.name().substring(PyTorchNames.STATE.length());
      String owner = owner(rest, candidates);
      if (present.containsKey(owner)) {
        differences.add(
            "the file has " + entry.name() + ", which is no state of this optimizer's rule");
      } else {
        dropped.add(owner);
      }
    }
    for (String name : dropped) {
      if (choices.allowsDropped()) {
        notes.add(name + " is in the file, but no parameter here: it is skipped");
      } else {
        differences.add("the file has a state of " + name + ", which is no parameter here");
      }
    }
  }

  /** Names may have dots: the longest that fits, or all up to the last dot. */
  private static String owner(String rest, Set<String> candidates) {
    for (int dot = rest.lastIndexOf('.'); dot >= 0; dot = rest.lastIndexOf('.', dot - 1)) {
      if (candidates.contains(rest.substring(0, dot))) {
        return rest.substring(0, dot);
      }
    }
    return rest.substring(0, Math.max(0, rest.lastIndexOf('.')));
  }

  /** What the random numbers of an optimizer that rounds stochastically follow from. */
  private RandomKeys randomKeys() {
    RandomKeys present = optimizer.prepared().randomKeys();
    boolean rounds = optimizer.options().rounding() == Rounding.STOCHASTIC;
    Optional<SavedOptimizer.StochasticRounding> found =
        saved.flatMap(SavedOptimizer::stochasticRounding);
    if (!rounds) {
      found.ifPresent(
          its ->
              notes.add(
                  "the file has a seed of stochastic rounding, the optimizer rounds to nearest: it"
                      + " is skipped"));
      return present;
    }
    if (found.isEmpty()) {
      notes.add(
          "the file has no seed of stochastic rounding: "
              + present.seed()
              + " and the parameters' numbers stay as they are");
      return present;
    }
    long seed = found.get().seed();
    if (seed != present.seed()) {
      boolean keeps = choices.keepsHyperparameters();
      notes.add(
          "the seed of stochastic rounding is "
              + seed
              + " in the file, "
              + present.seed()
              + " here: "
              + (keeps ? present.seed() + " is kept" : seed + " is taken"));
      seed = keeps ? present.seed() : seed;
    }
    Map<Integer, String> byNumber = new LinkedHashMap<>();
    for (Parameter parameter : restored) { // several may be restored from one
      Integer number = found.get().numbers().get(choices.savedName(parameter));
      if (number != null) {
        byNumber.putIfAbsent(number, parameter.name());
      }
    }
    Map<String, Integer> numbers = new LinkedHashMap<>();
    byNumber.forEach((number, name) -> numbers.put(name, number));
    return new RandomKeys(seed, numbers).with(optimizer.parameters());
  }

  /** The loss scaler's state, or null if there is none to restore. */
  private LossScaler.State scaler() throws IOException {
    Optional<Double> scale = ScalarEntry.read(reader, PyTorchNames.SCALER + "scale", 0);
    if (optimizer.scaler() == null || scale.isEmpty()) {
      if (scale.isPresent()) {
        notes.add(
            "the file has a loss scaler's state, the optimizer no loss scaler: it is skipped");
      } else if (optimizer.scaler() != null) {
        notes.add("the file has no loss scaler's state: the scale stays as it is");
      }
      return null;
    }
    double steps = ScalarEntry.read(reader, PyTorchNames.SCALER + "_growth_tracker", 0).orElse(0.0);
    compareScaler("growth_factor", optimizer.scaler().growthFactor());
    compareScaler("backoff_factor", optimizer.scaler().backoffFactor());
    compareScaler("growth_interval", optimizer.scaler().growthInterval());
    try {
      LossScaler.State state = new LossScaler.State(scale.get(), Math.toIntExact((long) steps));
      optimizer.scaler().requireReadable(state);
      return state;
    } catch (IllegalArgumentException | ArithmeticException e) {
      differences.add(String.valueOf(e.getMessage()));
      return null;
    }
  }

  private void compareScaler(String name, double present) throws IOException {
    Optional<Double> value = ScalarEntry.read(reader, PyTorchNames.SCALER + name, 0);
    if (value.isPresent() && value.get() != present) {
      notes.add(
          "the loss scaler keeps its " + name + " of " + present + "; the file has " + value.get());
    }
  }

  private void compareSchedules(SavedOptimizer about) {
    Map<String, String> present = optimizer.moving().described();
    if (!present.equals(about.hyperparameterSchedules())) {
      notes.add(
          "the schedules of hyperparameters here are kept, "
              + present
              + "; the file was saved under "
              + about.hyperparameterSchedules());
    }
  }

  /** The file's learning rate if it is known to be constant, otherwise NaN. */
  private double savedConstantRate() {
    return saved.map(SavedOptimizer::constantLearningRate).orElse(Double.NaN);
  }

  /** The learning rate with which an optimizer with a constant one continues. */
  private double constantRate() throws IOException {
    double present = optimizer.rates().constant();
    if (!optimizer.rates().isConstant()) {
      return present;
    }
    Set<Double> found = new TreeSet<>();
    if (saved.isPresent()) {
      found.add(savedConstantRate());
    } else {
      for (TrainedGroup trained : optimizer.trainedGroups()) {
        RuleGroup group = trained.rules();
        for (Parameter parameter : group.learningRateFactor() == 1 ? group.members() : none()) {
          String name = PyTorchNames.group(choices.savedName(parameter), "lr");
          ScalarEntry.read(reader, name, 0).ifPresent(found::add);
        }
      }
    }
    if (found.size() != 1 || found.contains(Double.NaN) || found.contains(present)) {
      if (found.size() > 1) {
        notes.add("the file has the learning rates " + found + ": " + present + " is kept");
      }
      return present;
    }
    double rate = found.iterator().next();
    boolean keeps = choices.keepsHyperparameters();
    notes.add(
        "the learning rate is "
            + rate
            + " in the file, "
            + present
            + " here: "
            + (keeps ? present + " is kept" : rate + " is taken"));
    if (keeps) {
      return present;
    }
    try {
      return LearningRate.require(rate);
    } catch (IllegalArgumentException e) {
      differences.add("the file's " + e.getMessage());
      return present;
    }
  }

  private static List<Parameter> none() {
    return List.of();
  }

  /** The plateau schedules to restore. */
  private List<PlateauSchedule> plateaus() {
    Schedule schedule = optimizer.rates().schedule();
    List<PlateauSchedule> plateaus = OptimizerSaver.plateaus(optimizer.moving().with(schedule));
    String described = OptimizerSaver.describe(schedule);
    boolean areConstant = optimizer.rates().isConstant() && !Double.isNaN(savedConstantRate());
    if (saved.isPresent() && !areConstant && !saved.get().schedule().equals(described)) {
      notes.add(
          "the schedule here is kept"
              + (described.isEmpty() ? "" : ", " + described)
              + (saved.get().schedule().isEmpty()
                  ? ""
                  : "; the file was saved under " + saved.get().schedule()));
    }
    saved.ifPresent(this::compareSchedules);
    int count = saved.map(about -> about.plateaus().size()).orElse(0);
    if (count != plateaus.size()) {
      notes.add(
          "the file has the state of "
              + count
              + " plateau schedules, the optimizer has "
              + plateaus.size()
              + ": they stay as they are");
      return List.of();
    }
    return plateaus;
  }
}
