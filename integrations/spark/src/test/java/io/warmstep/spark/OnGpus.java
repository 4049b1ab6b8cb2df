package io.warmstep.spark;

import io.warmstep.DeviceReport;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.rule.Adam;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;

/** Each task notes which GPU it was given, and which ones its process uses as training goes on. */
final class OnGpus implements GradientFunction<Example> {
  private static final long serialVersionUID = 1L;

  private final Perceptron network;
  private final String folder;
  private int calls;

  OnGpus(Perceptron network, Path folder) {
    this.network = network;
    this.folder = folder.toString();
  }

  /** Chooses AdamW, and notes the device that the parameters are on. */
  static final class Choice implements OptimizerChoice {
    private static final long serialVersionUID = 1L;

    private final String folder;

    Choice(Path folder) {
      this.folder = folder.toString();
    }

    @Override
    public OptimizerBuilder choose(OptimizerBuilder builder) {
      builder.rule(Adam.adamW()).learningRate(0.01).clipNorm(1);
      try (Optimizer probe = builder.build()) {
        DeviceReport device = probe.state(Perceptron.weight(0), "exp_avg").device().report();
        note(folder, "device", device.backend() + " " + device.index());
      }
      return builder;
    }
  }

  /**
   * What a task noted.
   *
   * @param executor that it ran in
   * @param address of its GPU, as Spark gave it
   * @param device number of the device that its parameters are on
   * @param inUse numbers of the devices that its process uses, as the driver has it
   */
  record Task(String executor, String address, int device, List<Integer> inUse) {
    static Task of(Path folder, int worker) throws IOException {
      String[] device = Files.readString(folder.resolve("device" + worker)).split(" ", -1);
      if (!device[0].equals("cuda")) {
        throw new AssertionError("worker " + worker + " is on " + device[0]);
      }
      String[] rest = Files.readString(folder.resolve("task" + worker)).split(" ", -1);
      return new Task(
          rest[0],
          rest[1],
          Integer.parseInt(device[1]),
          Arrays.stream(rest).skip(2).map(Integer::valueOf).toList());
    }
  }

  private static void note(String folder, String name, String text) {
    try {
      Files.writeString(Path.of(folder, name + TaskContext.get().partitionId()), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public double gradients(List<Example> rows, ModelParameters model) {
    if (calls++ == 2) { // it has two lanes, and all have come to the end of the first step
      note(folder, "task", SparkEnv.get().executorId() + " " + address() + devicesInUse());
    }
    return network.gradients(rows, model);
  }

  private static String address() {
    return TaskContext.get().resourcesJMap().get("gpu").addresses()[0];
  }

  /** Those with a primary context, each after a space. */
  private static String devicesInUse() {
    StringBuilder inUse = new StringBuilder();
    int[] count = new int[1];
    check(JCudaDriver.cuDeviceGetCount(count));
    for (int i = 0; i < count[0]; i++) {
      CUdevice device = new CUdevice();
      check(JCudaDriver.cuDeviceGet(device, i));
      int[] isActive = new int[1];
      check(JCudaDriver.cuDevicePrimaryCtxGetState(device, new int[1], isActive));
      if (isActive[0] != 0) {
        inUse.append(' ').append(i);
      }
    }
    return inUse.toString();
  }

  private static void check(int code) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new IllegalStateException(CUresult.stringFor(code));
    }
  }
}
