package io.warmstep.djl.examples;

import ai.djl.Model;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.TrainingConfig;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import java.nio.file.Path;

/**
 * A program that trains with DJL alone, by {@code EasyTrain.fit}: what the first change of the
 * README is made to.
 */
public final class TrainByFit {
  private TrainByFit() {}

  /**
   * Trains a small model on made-up data.
   *
   * @param arguments the folder to save in, or none for one of temporary files
   * @throws Exception as DJL does
   */
  public static void main(String[] arguments) throws Exception {
    Toys.train(arguments, TrainByFit::train);
  }

  /**
   * Trains a model.
   *
   * @param model with a block
   * @param shape of a batch of inputs
   * @param training the data
   * @param folder to save in; unused here
   * @throws Exception as DJL does
   */
  public static void train(Model model, Shape shape, RandomAccessDataset training, Path folder)
      throws Exception {
    Tracker tracker = Tracker.fixed(0.01f);
    TrainingConfig config =
        new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
            .optOptimizer(Optimizer.adamW().optLearningRateTracker(tracker).build());
    try (Trainer trainer = model.newTrainer(config)) {
      trainer.initialize(shape);
      EasyTrain.fit(trainer, 2, training, null);
    }
  }
}
