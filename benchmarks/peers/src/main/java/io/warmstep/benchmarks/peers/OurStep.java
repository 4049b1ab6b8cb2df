package io.warmstep.benchmarks.peers;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.UpdateRule;

/** A step of Warmstep on one tensor on the CPU. */
final class OurStep implements Turns.Work, AutoCloseable {
  private final Device device;
  private final Parameters parameters;
  private final Optimizer optimizer;

  OurStep(UpdateRule rule, ElementType type, float[] gradient, int threads) {
    device = Devices.cpu(threads);
    parameters = Parameters.on(device).add("p", type, (long) gradient.length).build();
    parameters.get("p").gradients().copyFrom(gradient);
    optimizer = Optimizer.of(parameters).rule(rule).learningRate(1e-3).build();
  }

  @Override
  public void prepare() {}

  @Override
  public void run() {
    optimizer.step();
  }

  @Override
  public void close() {
    optimizer.close();
    parameters.close();
    device.close();
  }
}
