package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.StepFailedException;
import io.warmstep.rule.DoubleBlock;
import io.warmstep.rule.FloatBlock;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.StepValues;
import io.warmstep.rule.UpdateRule;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A step that breaks off in the middle. */
class StepFailureTest {
  /** Adds 1 in each step, and throws in the block of the count given. */
  private record Breaking(AtomicInteger blocksLeft, Throwable thrown) implements UpdateRule {
    @Override
    public String name() {
      return "breaking";
    }

    @Override
    public List<StateSlot> stateSlots() {
      return List.of();
    }

    @Override
    public boolean maximize() {
      return false;
    }

    @Override
    public double coupledWeightDecay(StepValues at) {
      return 0;
    }

    @Override
    public UpdateRule weightDecay(double weightDecay) {
      return this;
    }

    @Override
    public List<String> scalarNames() {
      return List.of();
    }

    @Override
    public void scalars(StepValues at, double[] out) {}

    @Override
    public void update(FloatBlock block) {
      if (blocksLeft.getAndDecrement() == 0) {
        StepFailureTest.<RuntimeException>throwAsIs(thrown);
      }
      for (int i = block.start(); i < block.end(); i++) {
        block.parameters()[i]++;
      }
    }

    @Override
    public void update(DoubleBlock block) {
      throw new AssertionError("no float64 here");
    }
  }

  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  private static <T extends Throwable> void throwAsIs(Throwable t) throws T {
    throw (T) t;
  }

  private static Throwable[] causes() {
    return new Throwable[] {
      new ArithmeticException("in the middle"),
      new OutOfMemoryError("in the middle"),
      new IOException("undeclared, in the middle")
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void isReportedAndNoFurtherStepIsTaken(int threads) {
    for (Throwable cause : causes()) {
      LossScaler scaler = LossScaler.dynamic(8, 2, 0.5, 1);
      Breaking rule = new Breaking(new AtomicInteger(Integer.MAX_VALUE), cause);
      try (Device device = Devices.cpu(threads);
          Parameters parameters =
              Parameters.on(device).add("p", ElementType.FLOAT32, 1_000_000).build();
          Optimizer optimizer =
              Optimizer.of(parameters).rule(rule).learningRate(0.1).lossScaler(scaler).build()) {
        optimizer.step();
        double scale = scaler.scale();
        rule.blocksLeft.set(1);

        StepFailedException first = assertThrows(StepFailedException.class, optimizer::step);
        assertSame(cause, first.getCause());
        assertTrue(first.getMessage().startsWith("step 2 failed on cpu"), first::getMessage);
        assertTrue(first.getMessage().contains("restore them into a new optimizer"));

        StepFailedException later = assertThrows(StepFailedException.class, optimizer::step);
        assertSame(cause, later.getCause());
        assertTrue(later.getMessage().startsWith("an earlier step failed"));
        for (Executable refused :
            List.<Executable>of(optimizer::accumulate, optimizer::eval, optimizer::train)) {
          assertSame(cause, assertThrows(StepFailedException.class, refused).getCause());
        }
        assertEquals(1, optimizer.stepCount());
        assertEquals(0, optimizer.skippedSteps());
        assertEquals(scale, scaler.scale());
        optimizer.zeroGradients();

        rule.blocksLeft.set(Integer.MAX_VALUE);
        try (Optimizer next = Optimizer.of(parameters).rule(rule).learningRate(0.1).build()) {
          parameters.get("p").values().zero();
          next.step();
          float[] values = parameters.get("p").values().toFloats();
          for (float value : values) {
            assertEquals(1f, value, "a new optimizer on the same device works");
          }
        }
      }
    }
  }
}
