package io.warmstep.djl.examples;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.metric.Metrics;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.Trainer;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.dataset.Batch;
import ai.djl.training.dataset.Dataset;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.evaluator.Accuracy;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.translate.TranslateException;
import io.warmstep.ParameterGroup;
import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.data.DataSets;
import io.warmstep.djl.ModelStep;
import io.warmstep.djl.WarmstepOptimizer;
import io.warmstep.rule.Adam;
import io.warmstep.schedule.Schedules;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Trains a DJL model on handwritten digits with AdamW under a cosine schedule with warm-up,
 * clipping by the global norm and no weight decay on biases. Shows DJL's progress bar and saves the
 * model and what the optimizer remembers, so that a second run on the same folder goes on where the
 * first ended.
 *
 * <p>{@code TrainDigits [folder] [epochs]}
 */
public final class TrainDigits {
  private static final int BATCH = 32;
  private static final int TEST_ROWS = 360;
  private static final int WHOLE_RUN = 20;

  private TrainDigits() {}

  /**
   * Trains.
   *
   * @param arguments where to save, and for how many epochs
   * @throws IOException if a file cannot be read or written
   * @throws TranslateException as DJL does
   */
  public static void main(String[] arguments) throws IOException, TranslateException {
    Path folder = Path.of(arguments.length > 0 ? arguments[0] : "target/digits");
    int epochs = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 10;
    System.out.printf("%ntest accuracy %.4f, saved in %s%n", train(folder, epochs), folder);
  }

  /** Trains for some epochs, from what the folder has; the accuracy on images not trained on. */
  static float train(Path folder, int epochs) throws IOException, TranslateException {
    Files.createDirectories(folder);
    Path state = folder.resolve("optimizer.safetensors");
    Engine.getInstance().setRandomSeed(7);
    try (Model model = Model.newInstance("digits", Device.cpu());
        NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      model.setBlock(block());
      RandomAccessDataset training = digits(manager, TEST_ROWS, Integer.MAX_VALUE);
      Dataset test = digits(manager, 0, TEST_ROWS);
      long stepsPerEpoch = (training.size() + BATCH - 1) / BATCH;
      WarmstepOptimizer optimizer =
          WarmstepOptimizer.of(Adam.adamW().weightDecay(0.05))
              .group(ParameterGroup.matching("*_bias").weightDecay(0))
              .learningRate(Schedules.cosine(3e-3, WHOLE_RUN * stepsPerEpoch).warmUp(40))
              .clipNorm(1)
              .build();
      boolean resumes = Files.exists(state);
      if (resumes) {
        loadParameters(model, folder);
      }
      DefaultTrainingConfig config =
          new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss())
              .optOptimizer(optimizer)
              .optDevices(new Device[] {Device.cpu()})
              .addEvaluator(new Accuracy())
              .addTrainingListeners(TrainingListener.Defaults.logging());
      try (Trainer trainer = model.newTrainer(config)) {
        trainer.setMetrics(new Metrics());
        trainer.initialize(new Shape(BATCH, 64));
        try (ModelStep step = ModelStep.of(trainer, optimizer)) {
          if (resumes) {
            step.restore(state);
          }
          for (int epoch = 0; epoch < epochs; epoch++) {
            for (Batch batch : trainer.iterateDataset(training)) {
              EasyTrain.trainBatch(trainer, batch);
              step.step();
              batch.close();
            }
            EasyTrain.evaluateDataset(trainer, test);
            trainer.notifyListeners(listener -> listener.onEpoch(trainer));
          }
          model.save(folder, "digits");
          step.save(state);
        }
        return trainer.getTrainingResult().getValidateEvaluation("Accuracy");
      }
    }
  }

  private static void loadParameters(Model model, Path folder) throws IOException {
    try {
      model.load(folder, "digits");
    } catch (ai.djl.MalformedModelException e) {
      throw new IOException("the model in " + folder + " cannot be read", e);
    }
  }

  private static SequentialBlock block() {
    return new SequentialBlock()
        .add(Linear.builder().setUnits(64).build())
        .add(BatchNorm.builder().build())
        .add(Activation::relu)
        .add(Linear.builder().setUnits(10).build());
  }

  /** Some rows of the data set; its classes lie in no order. */
  private static RandomAccessDataset digits(NDManager manager, int from, int to)
      throws IOException {
    DataSet digits = DataSets.digits();
    int rows = Math.min(to, digits.rows()) - from;
    float[] pixels = new float[rows * 64];
    float[] labels = new float[rows];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = digits.features()[from * 64 + i] / 16;
    }
    for (int i = 0; i < rows; i++) {
      labels[i] = digits.labels()[from + i];
    }
    return new ArrayDataset.Builder()
        .setData(manager.create(pixels, new Shape(rows, 64)))
        .optLabels(manager.create(labels))
        .setSampling(BATCH, true)
        .build();
  }
}
