package io.warmstep.backend.cuda;

import io.warmstep.CapturedStep;
import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.HostBehindException;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.rule.Sgd;
import java.util.function.IntSupplier;
import jcuda.driver.CUcontext;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/** Launches of a captured step in a graph of the caller's that the host has no numbers for. */
public final class EarlyLaunches {
  private static final int TURNS = 3;

  private EarlyLaunches() {}

  /**
   * Launches a graph once as it should be and then too early, once more in each of three turns.
   *
   * @return how many counts are wrong
   */
  public static long mismatches() {
    long context = CudaSim.newContext();
    long stream = CudaSim.newStream(context);
    try (Device device = Devices.wrapCuda(context, stream);
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2, 3}).build();
        Optimizer optimizer = Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.1).build();
        CapturedStep captured = optimizer.capture()) {
      CUstream its = Cuda.wrap(stream, new CUstream());
      CUgraph graph = new CUgraph();
      CUgraphExec exec = new CUgraphExec();
      int mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL;
      long wrong = 0;
      wrong += failures(context, () -> JCudaDriver.cuStreamBeginCapture(its, mode));
      captured.record();
      wrong += failures(context, () -> JCudaDriver.cuStreamEndCapture(its, graph));
      wrong += failures(context, () -> JCudaDriver.cuGraphInstantiate(exec, graph, 0));
      for (int turn = 1; turn <= TURNS; turn++) {
        captured.beforeLaunch();
        for (int launch = 0; launch <= turn; launch++) {
          wrong += failures(context, () -> JCudaDriver.cuGraphLaunch(exec, its));
        }
        wrong += optimizer.stepCount() == turn ? 0 : 1;
        wrong += early(captured).startsWith(turn + " launch") ? 0 : 1;
      }
      wrong += failures(context, () -> JCudaDriver.cuGraphExecDestroy(exec));
      wrong += failures(context, () -> JCudaDriver.cuGraphDestroy(graph));
      return wrong;
    } finally {
      CudaSim.endContext(context, stream);
    }
  }

  private static String early(CapturedStep captured) {
    try {
      captured.beforeLaunch();
      return "none";
    } catch (HostBehindException e) {
      return e.getMessage();
    }
  }

  private static int failures(long context, IntSupplier call) {
    JCudaDriver.cuCtxPushCurrent(Cuda.wrap(context, new CUcontext()));
    try {
      return call.getAsInt() == CUresult.CUDA_SUCCESS ? 0 : 1;
    } finally {
      JCudaDriver.cuCtxPopCurrent(new CUcontext());
    }
  }
}
