package io.warmstep.backend.cuda;

import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.Adam;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** What an operation may use; closed at the end, what was opened last first. */
final class CudaScene implements AutoCloseable {
  static final int TENSORS = 10;

  /** Whose close throws nothing checked. */
  @FunctionalInterface
  interface Resource {
    void close();
  }

  private final List<Resource> open = new ArrayList<>();
  Device device;
  Parameters parameters;
  Optimizer optimizer;
  CapturedStep captured;

  void onClose(Resource resource) {
    open.add(resource);
  }

  Device keep(Device resource) {
    open.add(resource::close);
    return resource;
  }

  Tensor keep(Tensor resource) {
    open.add(resource::close);
    return resource;
  }

  Parameters keep(Parameters resource) {
    open.add(resource::close);
    return resource;
  }

  Optimizer keep(Optimizer resource) {
    open.add(resource::close);
    return resource;
  }

  void capture() {
    captured = optimizer.capture();
    open.add(captured::close);
  }

  void openDevice() {
    device = keep(Devices.require("cuda"));
  }

  void addParameters() {
    ParametersBuilder builder = Parameters.on(device);
    for (int i = 0; i < TENSORS; i++) {
      Tensor values = keep(device.copyOf(new float[] {i + 1, i + 2, i + 3}));
      Tensor gradients = keep(device.copyOf(new float[] {1, -1, 0.5f}));
      builder.borrow("t" + i, values, gradients);
    }
    builder.add("owned", new double[] {1, 2});
    parameters = keep(builder.build());
  }

  void addOptimizer(Consumer<OptimizerBuilder> options) {
    OptimizerBuilder builder = Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.1);
    options.accept(builder);
    optimizer = keep(builder.build());
  }

  Tensor values(int tensor) {
    return parameters.get("t" + tensor).values();
  }

  float[] values() {
    float[] all = new float[3 * TENSORS];
    for (int i = 0; i < TENSORS; i++) {
      System.arraycopy(parameters.get("t" + i).values().toFloats(), 0, all, 3 * i, 3);
    }
    return all;
  }

  @Override
  public void close() {
    for (int i = open.size() - 1; i >= 0; i--) {
      open.get(i).close();
    }
  }
}
