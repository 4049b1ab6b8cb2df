package io.warmstep.djl;

import java.util.function.Consumer;

/** The two ways to take a step. */
enum Mode {
  TRAINER_STEP,
  MODEL_STEP;

  /** Takes a step with an open ModelStep or, without one, through the trainer. */
  static void step(Toy toy, ModelStep step) {
    if (step == null) {
      toy.trainer.step();
    } else {
      step.step();
    }
  }

  /** Runs with a ModelStep in mode MODEL_STEP, else with null. */
  void with(Toy toy, WarmstepOptimizer optimizer, Consumer<ModelStep> work) {
    if (this == TRAINER_STEP) {
      work.accept(null);
    } else {
      try (ModelStep step = ModelStep.of(toy.trainer, optimizer)) {
        work.accept(step);
      }
    }
  }
}
