package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.cli.verify.EntryScenes.Model;
import io.warmstep.cli.verify.EntryScenes.Scene;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** Scenes whose state is what steps seldom make of it, and what a rule decides depends on. */
final class StateScenes {
  private static final int SKEWED = 1501;

  private StateScenes() {}

  /** Those of a form of a rule. */
  static List<Scene> of(UpdateRule rule, ElementType type) {
    List<Scene> scenes = new ArrayList<>();
    scenes.add(scene(rule, type, StateScenes::zeros, 1));
    // Otherwise what is added keeps a zero from being the larger one.
    if (RuleSettings.has(rule, "eps")) {
      UpdateRule exact = RuleSettings.with(rule, Map.of("eps", 0.0));
      scenes.add(scene(exact, type, StateScenes::zeros, 1));
    }
    for (String name : List.of("beta1", "momentum")) {
      if (RuleSettings.has(rule, name) && RuleSettings.number(rule, name) > 0) {
        double beta = RuleSettings.number(rule, name);
        scenes.add(scene(rule, type, (model, random) -> opposed(model, beta, random), 2));
      }
    }
    return scenes;
  }

  private static Scene scene(
      UpdateRule rule, ElementType type, BiConsumer<Model, SplittableRandom> fill, int steps) {
    Consumer<OptimizerBuilder> options = builder -> builder.rule(rule).learningRate(0.1);
    return device -> {
      try (Device cpu = Devices.cpu(1);
          Model ours = new Model(device, (d, b) -> parameters(d, b, type), options);
          Model theirs = new Model(cpu, (d, b) -> parameters(d, b, type), options)) {
        long mismatches = 0;
        for (int step = 0; step < steps; step++) {
          for (Model model : List.of(ours, theirs)) {
            fill.accept(model, new SplittableRandom(step));
            model.optimizer.step();
          }
          mismatches += ours.differencesFrom(theirs);
        }
        return mismatches;
      } finally {
        EntryScenes.freeMemory();
      }
    };
  }

  /** By vectors, and element by element. */
  private static List<Tensor> parameters(
      Device device, ParametersBuilder builder, ElementType type) {
    EntryScenes.add(builder, type, new int[] {6001, 4096, 1, 2, 3, 5, 6, 7, 4099});
    Tensor values = EntryScenes.memory(device, type, 0, SKEWED);
    Tensor gradients = EntryScenes.memory(device, type, 1, SKEWED);
    values.zero(); // as the others are: state that begins as a copy of them is requested early
    builder.borrow("skewed", values, gradients).shape("skewed", MatrixShapes.of(SKEWED));
    return List.of(values, gradients);
  }

  /** Gradients and state of zeros of either sign. */
  private static void zeros(Model model, SplittableRandom random) {
    model.fill(Elements.ORDINARY, random);
    for (List<Tensor> tensors : List.of(model.gradients, model.state())) {
      for (Tensor tensor : tensors) {
        long sign = 1L << (8 * tensor.type().bytes() - 1);
        long[] bits = new long[(int) tensor.length()];
        for (int i = 0; i < bits.length; i++) {
          bits[i] = random.nextBoolean() ? sign : 0;
        }
        Elements.write(tensor, bits);
      }
    }
  }

  /**
   * A first state that the gradient nearly cancels in half of the elements, so that the sign of
   * what is left is that of the last bit rounded; many parameters are zero, so that a small step
   * shows.
   */
  private static void opposed(Model model, double beta, SplittableRandom random) {
    model.fill(Elements.ORDINARY, random);
    for (Tensor tensor : model.values) {
      double[] values = tensor.toDoubles();
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextBoolean() ? 0 : values[i];
      }
      tensor.copyFrom(values);
    }
    List<Tensor> state = model.state();
    int slots = state.size() / model.values.size();
    for (int i = 0; i < model.values.size(); i++) {
      double[] gradients = model.gradients.get(i).toDoubles();
      Tensor first = state.get(i * slots);
      if (first.length() != gradients.length) {
        continue; // of the whole tensor
      }
      for (int j = 0; j < gradients.length; j++) {
        gradients[j] *= (random.nextBoolean() ? -1 : 1) * (1 - beta) / beta;
      }
      first.copyFrom(gradients);
    }
  }
}
