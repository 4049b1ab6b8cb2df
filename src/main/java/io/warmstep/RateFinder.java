package io.warmstep;

import io.warmstep.check.Arguments;
import io.warmstep.schedule.RangeTest;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.DoubleSupplier;
import java.util.function.UnaryOperator;

/**
 * Finds a learning rate for parameters by a {@link RangeTest}, and leaves them as they were.
 *
 * <pre>{@code
 * RangeTest.Result result =
 *     RateFinder.run(
 *         parameters,
 *         RangeTest.exponential(1e-7, 10, 200),
 *         builder -> builder.rule(Adam.adam()),
 *         () -> backward(nextBatch())); // writes the gradients, returns the loss
 * double rate = result.suggested().orElse(1e-3);
 * }</pre>
 */
public final class RateFinder {
  private RateFinder() {}

  /**
   * Runs a test to its end with its own optimizer, then restores values and gradients bit for bit,
   * even on failure. The caller's optimizers of the same parameters keep their state and step
   * count. While it runs, the device holds a copy of the values and gradients.
   *
   * @param parameters parameters to train, at their initial values
   * @param test a test without any reports; afterwards it holds the reports of this run
   * @param optimizer receives a builder with the schedule set, and sets the rule and all other
   *     options of the later training: groups, clipping, scaling
   * @param gradients does a forward and a backward pass on the next minibatch: writes the gradients
   *     and returns the loss
   * @return the test's result
   * @throws IllegalArgumentException if the test has reports already, or the optimizer's options do
   *     not fit each other
   * @throws OutOfDeviceMemoryException if there is no room for the copies or the optimizer's state;
   *     nothing has changed
   * @throws DeviceException if the device fails
   */
  public static RangeTest.Result run(
      Parameters parameters,
      RangeTest test,
      UnaryOperator<OptimizerBuilder> optimizer,
      DoubleSupplier gradients) {
    Objects.requireNonNull(parameters, "parameters");
    Objects.requireNonNull(gradients, "gradients");
    if (test.reports() > 0) {
      throw Arguments.refusal(
          "test", "one with " + test.reports() + " reports", "new", "make another for each run");
    }
    try (Copies copies = new Copies(parameters);
        Optimizer trial = optimizer.apply(Optimizer.of(parameters).learningRate(test)).build()) {
      copies.make();
      double loss;
      do {
        loss = gradients.getAsDouble();
        if (Double.isFinite(loss)) {
          trial.step();
        }
      } while (test.report(loss));
    }
    return test.result();
  }

  /** The parameters' original values; restores them when closed. */
  private static final class Copies implements AutoCloseable {
    private record Copy(Tensor original, Tensor copy) {}

    private final Parameters parameters;
    private final List<Copy> copies = new ArrayList<>();

    Copies(Parameters parameters) {
      this.parameters = parameters;
    }

    void make() {
      for (Parameter parameter : parameters) {
        for (Tensor tensor : List.of(parameter.values(), parameter.gradients())) {
          Tensor copy = parameters.device().allocate(tensor.type(), tensor.length());
          copies.add(new Copy(tensor, copy));
          copy.copyFrom(tensor);
        }
      }
    }

    /** All that were made; none has been changed if there was no room for all. */
    @Override
    public void close() {
      try {
        copies.forEach(pair -> pair.original().copyFrom(pair.copy()));
      } finally {
        copies.forEach(pair -> pair.copy().close());
      }
    }
  }
}
