package io.warmstep.djl.examples;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.dataset.RandomAccessDataset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;

/** A small model and made-up data, for programs that show how a trainer is set up. */
final class Toys {
  private static final int ROWS = 64;
  private static final int BATCH = 16;
  private static final int INPUTS = 8;

  private Toys() {}

  /** What a program does with a model. */
  interface Training {
    void train(Model model, Shape shape, RandomAccessDataset training, Path folder)
        throws Exception;
  }

  /** Trains a model, and says where what it saved lies. */
  static void train(String[] arguments, Training program) throws Exception {
    Path folder =
        arguments.length == 0 ? Files.createTempDirectory("warmstep-djl-") : Path.of(arguments[0]);
    try (Model model = Model.newInstance("net", Device.cpu(), "PyTorch");
        NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      Engine.getInstance().setRandomSeed(7);
      model.setBlock(
          new SequentialBlock()
              .add(Linear.builder().setUnits(16).build())
              .add(Activation::relu)
              .add(Linear.builder().setUnits(2).build()));
      program.train(model, new Shape(BATCH, INPUTS), data(manager), folder);
    }
    System.out.println("trained; what was saved is in " + folder);
  }

  /** The class is whether the first feature is above the second. */
  private static RandomAccessDataset data(NDManager manager) {
    SplittableRandom random = new SplittableRandom(7);
    float[] inputs = new float[ROWS * INPUTS];
    float[] labels = new float[ROWS];
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = (float) random.nextDouble();
    }
    for (int i = 0; i < ROWS; i++) {
      labels[i] = inputs[i * INPUTS] > inputs[i * INPUTS + 1] ? 1 : 0;
    }
    return new ArrayDataset.Builder()
        .setData(manager.create(inputs, new Shape(ROWS, INPUTS)))
        .optLabels(manager.create(labels))
        .setSampling(BATCH, false)
        .build();
  }
}
