package io.warmstep;

import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.PyTorchNames;
import io.warmstep.checkpoint.SavedOptimizer;
import io.warmstep.checkpoint.TensorSource;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.schedule.PlateauSchedule;
import io.warmstep.schedule.Schedule;
import io.warmstep.storage.Storage;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Lists an optimizer's contents of a checkpoint. */
final class OptimizerSaver {
  private final Optimizer optimizer;
  private final boolean withParameters;

  OptimizerSaver(Optimizer optimizer, boolean withParameters) {
    this.optimizer = optimizer;
    this.withParameters = withParameters;
  }

  void addTo(CheckpointWriter writer) {
    optimizer
        .progress()
        .checkNotFailed("parameters and state may be partly updated: restore a checkpoint first");
    optimizer.trainedGroups().stream()
        .filter(group -> group.steps() == 0)
        .forEach(group -> optimizer.optimizerState().begin(group.rules()));
    for (Parameter parameter : optimizer.parameters()) {
      String name = parameter.name();
      if (withParameters) {
        add(writer, name, optimizer.evaluation().trained(parameter), parameter.shape());
      }
      for (String slot : optimizer.stateNames(name)) {
        Tensor state = optimizer.optimizerState().tensor(name, slot);
        List<Long> shape = optimizer.optimizerState().shape(parameter, slot);
        Optional<CodedMemory> codes = optimizer.optimizerState().codes(name, slot);
        if (codes.isPresent()) {
          SavedCodes.add(writer, PyTorchNames.state(name, slot), codes.get(), shape);
        } else {
          add(writer, PyTorchNames.state(name, slot), state, shape);
        }
      }
      writer.number(
          PyTorchNames.state(name, PyTorchNames.STEP), optimizer.groups().stepCount(name));
    }
    for (TrainedGroup trained : optimizer.trainedGroups()) {
      RuleGroup group = trained.rules();
      List<StateSlot> kept = group.rule().keptNumbers();
      for (Parameter parameter : group.members()) {
        for (int i = 0; i < kept.size(); i++) {
          writer.number(
              PyTorchNames.state(parameter.name(), kept.get(i).name()), trained.kept()[i]);
        }
        PyTorchNames.fromSettings(settings(group))
            .forEach((name, value) -> add(writer, parameter.name(), name, value));
        if (!Double.isNaN(optimizer.learningRate())) {
          double rate = optimizer.learningRate() * group.learningRateFactor();
          add(writer, parameter.name(), "lr", rate);
        }
      }
    }
    LossScaler scaler = optimizer.scaler();
    if (scaler != null) {
      LossScaler.State state = scaler.state();
      writer.number(PyTorchNames.SCALER + "scale", state.scale());
      writer.number(PyTorchNames.SCALER + "growth_factor", scaler.growthFactor());
      writer.number(PyTorchNames.SCALER + "backoff_factor", scaler.backoffFactor());
      writer.number(PyTorchNames.SCALER + "growth_interval", (long) scaler.growthInterval());
      writer.number(PyTorchNames.SCALER + "_growth_tracker", (long) state.finiteSteps());
    }
    writer.metadata(SavedOptimizer.KEY, about().toJson());
  }

  /** A group's hyperparameters; scheduled ones as in the last step. */
  private Map<String, Object> settings(RuleGroup group) {
    Map<String, Object> settings = new LinkedHashMap<>(settings(group.rule()));
    settings.putAll(group.moving().after(optimizer.stepCount()));
    return settings;
  }

  private SavedOptimizer about() {
    return new SavedOptimizer(
        optimizer.stepCount(),
        optimizer.skippedSteps(),
        optimizer.learningRate(),
        optimizer.trainedGroups().stream()
            .map(
                group ->
                    new SavedOptimizer.Group(
                        group.rules().rule().name(),
                        group.rules().learningRateFactor(),
                        group.rules().members().stream().map(Parameter::name).toList(),
                        Optional.of(group.isFrozen())))
            .toList(),
        optimizer.rates().isConstant() ? optimizer.rates().constant() : Double.NaN,
        describe(optimizer.rates().schedule()),
        optimizer.moving().described(),
        plateaus(optimizer.moving().with(optimizer.rates().schedule())).stream()
            .map(PlateauSchedule::state)
            .toList(),
        stochasticRounding());
  }

  private Optional<SavedOptimizer.StochasticRounding> stochasticRounding() {
    RandomKeys keys = optimizer.prepared().randomKeys();
    return optimizer.options().rounding() == Rounding.STOCHASTIC
        ? Optional.of(new SavedOptimizer.StochasticRounding(keys.seed(), keys.numbers()))
        : Optional.empty();
  }

  /** A rule's hyperparameters; none if only its own code can read them. */
  static Map<String, Object> settings(UpdateRule rule) {
    return Modifier.isPublic(rule.getClass().getModifiers()) ? RuleSettings.values(rule) : Map.of();
  }

  /** A schedule's description; empty for a lambda, and for one that changes from step to step. */
  static String describe(Schedule schedule) {
    return LearningRate.isNamed(schedule) && plateaus(List.of(schedule)).isEmpty()
        ? schedule.toString()
        : "";
  }

  /** The plateau schedules that schedules contain, each once. */
  static List<PlateauSchedule> plateaus(List<Schedule> schedules) {
    List<PlateauSchedule> found = new ArrayList<>();
    schedules.forEach(schedule -> collect(schedule, found));
    return found;
  }

  private static void collect(Schedule schedule, List<PlateauSchedule> found) {
    if (schedule instanceof PlateauSchedule plateau
        && found.stream().noneMatch(other -> other == plateau)) {
      found.add(plateau);
    }
    schedule.parts().forEach(part -> collect(part, found));
  }

  private static void add(CheckpointWriter writer, String name, Tensor tensor, List<Long> shape) {
    TensorSource source = tensor::read;
    writer.tensor(name, format(tensor.type()), shape, source);
  }

  /** The format of a device's elements in a file. */
  static ElementFormat format(ElementType type) {
    return ElementFormat.valueOf(Storage.of(type).format());
  }

  private static void add(CheckpointWriter writer, String parameter, String name, Object value) {
    String full = PyTorchNames.group(parameter, name);
    if (value instanceof Boolean flag) {
      writer.flag(full, flag);
    } else if (value instanceof double[] numbers) {
      writer.tensor(
          full, ElementFormat.F64, List.of((long) numbers.length), TensorSource.of(numbers));
    } else if (value instanceof Long || value instanceof Integer) {
      writer.number(full, ((Number) value).longValue());
    } else if (value instanceof Number number) {
      writer.number(full, number.doubleValue());
    } // a custom rule may have others, which its own code must keep
  }
}
