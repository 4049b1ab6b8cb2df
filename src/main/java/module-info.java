/**
 * Optimizer steps for the training of neural networks, on the GPU or the CPU, with the same bits on
 * every device.
 *
 * <p>{@link io.warmstep} contains what most programs need; update rules are in {@link
 * io.warmstep.rule}, learning-rate schedules in {@link io.warmstep.schedule}, checkpoint files in
 * {@link io.warmstep.checkpoint}, and operations of several devices or machines in {@link
 * io.warmstep.collective}.
 */
@SuppressWarnings({
  "module", // the projects that come with the library are built after it
  "requires-automatic" // JCuda and JOCL have no descriptors, and are optional
})
module io.warmstep {
  exports io.warmstep;
  exports io.warmstep.checkpoint;
  exports io.warmstep.collective;
  exports io.warmstep.rule;
  exports io.warmstep.schedule;
  exports io.warmstep.check to
      io.warmstep.cli,
      io.warmstep.djl,
      io.warmstep.spark;
  exports io.warmstep.file to
      io.warmstep.cli;
  exports io.warmstep.natives to
      io.warmstep.djl;
  exports io.warmstep.step to
      io.warmstep.cli,
      io.warmstep.djl;
  exports io.warmstep.storage to
      io.warmstep.cli;

  requires jdk.unsupported; // addresses of direct buffers, before JDK 22
  requires static jcuda;
  requires static jocl;

  uses io.warmstep.backend.Backend;

  // META-INF/services lists them for the class path.
  provides io.warmstep.backend.Backend with
      io.warmstep.backend.cpu.CpuBackend,
      io.warmstep.backend.cuda.CudaBackend,
      io.warmstep.backend.opencl.OpenClBackend;
}
