package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Sgd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps while the caller's stream captures a CUDA graph. On the simulated driver. */
class CudaCaptureTest extends SimulatedTest {
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aStepIsRefusedAndNothingChanges(boolean skips) {
    long context = CudaSim.newContext();
    long stream = CudaSim.newStream(context);
    try (Device device = Devices.wrapCuda(context, stream);
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(skips).build()) {
      parameters.get("p").gradients().copyFrom(new float[] {1, 1});
      long launches = CudaSim.launches();
      CudaSim.capture(true, stream);
      for (int i = 0; i < 2; i++) {
        IllegalStateException e = assertThrows(IllegalStateException.class, optimizer::step);
        assertTrue(e.getMessage().contains("end the capture before step()"), e.getMessage());
      }
      CudaSim.capture(false, stream);
      assertEquals(launches, CudaSim.launches());
      assertEquals(0, optimizer.stepCount());
      assertArrayEquals(new float[] {1, 2}, parameters.get("p").values().toFloats());
      optimizer.step();
      assertEquals(1, optimizer.stepCount());
      assertArrayEquals(new float[] {0, 1}, parameters.get("p").values().toFloats());
    }
    CudaSim.endContext(context, stream);
  }

  @Test
  void anotherStreamsCaptureConcernsNoStep() {
    long context = CudaSim.newContext();
    long stream = CudaSim.newStream(context);
    long other = CudaSim.newStream(context);
    try (Device device = Devices.wrapCuda(context, stream);
        Parameters parameters = Parameters.on(device).add("p", new float[] {1}).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).build()) {
      CudaSim.capture(true, other);
      optimizer.step();
      CudaSim.capture(false, other);
      assertEquals(1, optimizer.stepCount());
    }
    CudaSim.endContext(context, stream); // and the other one with it
  }
}
