package io.warmstep.djl.examples;

import ai.djl.Model;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.TrainingConfig;
import ai.djl.training.dataset.Batch;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import java.nio.file.Path;

/**
 * A program that trains with DJL alone, in a loop of its own, and saves the model: what the second
 * change of the README is made to.
 */
public final class TrainByLoop {
  private TrainByLoop() {}

  /**
   * Trains a small model on made-up data.
   *
   * @param arguments the folder to save in, or none for one of temporary files
   * @throws Exception as DJL does
   */
  public static void main(String[] arguments) throws Exception {
    Toys.train(arguments, TrainByLoop::train);
  }

  /**
   * Trains a model for one epoch and saves it.
   *
   * @param model with a block
   * @param shape of a batch of inputs
   * @param training the data
   * @param folder to save in
   * @throws Exception as DJL does
   */
  public static void train(Model model, Shape shape, RandomAccessDataset training, Path folder)
      throws Exception {
    Optimizer optimizer = Optimizer.adamW().optLearningRateTracker(Tracker.fixed(0.01f)).build();
    TrainingConfig config =
        new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer);
    try (Trainer trainer = model.newTrainer(config)) {
      trainer.initialize(shape);
      for (Batch batch : trainer.iterateDataset(training)) {
        EasyTrain.trainBatch(trainer, batch);
        trainer.step();
        batch.close();
      }
      model.save(folder, "net");
    }
  }
}
