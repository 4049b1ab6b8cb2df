package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.RestoreReport;
import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Saves and restores an optimizer, with options.
 *
 * <pre>{@code
 * optimizer.checkpoint().withoutParameters().save(path);
 * optimizer.checkpoint().rename("fc.weight", "head.weight").allowAdded().restore(path);
 * }</pre>
 *
 * <p>The file is in the safetensors format, under the names of PyTorch's flattened optimizer state:
 * {@code state.<parameter>.<slot>} and {@code state.<parameter>.step}, the hyperparameters as
 * {@code param_groups.<parameter>.<name>}, a loss scaler as {@code grad_scaler.<name>}, and the
 * parameters' values under their own names, which in evaluation mode are still the training
 * weights. Everything that is not a tensor is JSON in the metadata, under {@code optimizer}: the
 * rules, the groups' learning-rate factors, the schedule's description, the state of each {@link
 * io.warmstep.schedule.PlateauSchedule} that the schedule contains, and what the random numbers of
 * stochastic rounding follow from. A schedule is code, so it is not in the file: build the
 * optimizer with the same one, and it continues at the saved step.
 *
 * <p>A file without this library's mark is restored too if it uses such names, like a file made
 * from PyTorch state. Elements of a narrower type than the tensor's are widened; nothing is
 * rounded.
 */
public final class OptimizerCheckpoint {
  private final Optimizer optimizer;
  private final Map<String, String> savedNames = new LinkedHashMap<>();
  private boolean hasParameters = true;
  private boolean keepsHyperparameters;
  private boolean allowsAdded;
  private boolean allowsDropped;
  private OptionalLong stepCount = OptionalLong.empty();

  /** Saving or restoring. */
  interface Work<T> {
    T run() throws IOException;
  }

  OptimizerCheckpoint(Optimizer optimizer) {
    this.optimizer = optimizer;
  }

  /**
   * Leaves the parameters' values out: they are not saved, or stay as they are when restoring.
   *
   * @return this set of options
   */
  public OptimizerCheckpoint withoutParameters() {
    hasParameters = false;
    return this;
  }

  /**
   * Keeps the hyperparameters that the optimizer was built with, and its seed of stochastic
   * rounding, where the file's differ. Without this, the file's are used. Hyperparameters that
   * determine the state, such as AMSGrad, must match the file's in any case.
   *
   * @return this set of options
   */
  public OptimizerCheckpoint keepHyperparameters() {
    keepsHyperparameters = true;
    return this;
  }

  /**
   * Restores a parameter that has another name in the file.
   *
   * @param saved its name in the file
   * @param present its name in the optimizer
   * @return this set of options
   * @throws IllegalArgumentException if the optimizer has no such parameter
   */
  public OptimizerCheckpoint rename(String saved, String present) {
    optimizer.parameters().get(present);
    savedNames.put(present, saved);
    return this;
  }

  /**
   * Lets parameters that are not in the file start with an empty state and keep their values.
   *
   * @return this set of options
   */
  public OptimizerCheckpoint allowAdded() {
    allowsAdded = true;
    return this;
  }

  /**
   * Skips parameters in the file that the optimizer does not have.
   *
   * @return this set of options
   */
  public OptimizerCheckpoint allowDropped() {
    allowsDropped = true;
    return this;
  }

  /**
   * Sets the step count to resume from, for files without one, such as those of PyTorch's SGD. A
   * count in the file takes precedence.
   *
   * @param steps how many steps have happened, at least 0
   * @return this set of options
   * @throws IllegalArgumentException if it is negative
   */
  public OptimizerCheckpoint startAfter(long steps) {
    if (steps < 0) {
      throw new IllegalArgumentException("steps is " + steps + ", must be at least 0");
    }
    stepCount = OptionalLong.of(steps);
    return this;
  }

  boolean hasParameters() {
    return hasParameters;
  }

  boolean keepsHyperparameters() {
    return keepsHyperparameters;
  }

  boolean allowsAdded() {
    return allowsAdded;
  }

  boolean allowsDropped() {
    return allowsDropped;
  }

  OptionalLong stepCount() {
    return stepCount;
  }

  /** A parameter's name in the file. */
  String savedName(Parameter parameter) {
    return savedNames.getOrDefault(parameter.name(), parameter.name());
  }

  /**
   * Saves to a file, which appears whole or not at all: see {@link CheckpointWriter#write(Path)}.
   *
   * @param path the file, replaced if it exists
   * @throws StepFailedException if a step failed; nothing is written
   * @throws IllegalStateException if micro-batches were accumulated since the last step
   * @throws IllegalArgumentException if a parameter has the name of another one's state
   * @throws IOException if it cannot be written; an existing file stays
   */
  public void save(Path path) throws IOException {
    optimizer.exclusively(
        "save()",
        () -> {
          content().write(path);
          return null;
        });
  }

  /**
   * Saves to a channel: see {@link CheckpointWriter#write(WritableByteChannel)}.
   *
   * @param channel left open
   * @throws StepFailedException if a step failed; nothing is written
   * @throws IllegalStateException if micro-batches were accumulated since the last step
   * @throws IllegalArgumentException if a parameter has the name of another one's state
   * @throws IOException as the channel does
   */
  public void save(WritableByteChannel channel) throws IOException {
    optimizer.exclusively(
        "save()",
        () -> {
          content().write(channel);
          return null;
        });
  }

  private CheckpointWriter content() {
    CheckpointWriter writer = new CheckpointWriter();
    addTo(writer);
    return writer;
  }

  /**
   * Adds everything that would be saved to a writer, along with the caller's own tensors. Tensors
   * are read when the writer writes: take no step in between.
   *
   * @param writer to be written by the caller
   * @throws StepFailedException if a step failed; nothing is added
   * @throws IllegalStateException if micro-batches were accumulated since the last step
   * @throws IllegalArgumentException if a name is taken
   */
  public void addTo(CheckpointWriter writer) {
    optimizer.requireNothingAccumulated("and no checkpoint has them: save right after a step");
    new OptimizerSaver(optimizer, hasParameters).addTo(writer);
  }

  /**
   * Resumes from a file.
   *
   * @param path the file
   * @return the choices made while restoring
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if the file is damaged or not a
   *     checkpoint; nothing changes
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it does not fit; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link Optimizer#eval}; nothing changes
   * @throws IOException if it cannot be read; nothing changes
   */
  public RestoreReport restore(Path path) throws IOException {
    try (CheckpointReader reader = CheckpointReader.open(path)) {
      return restore(reader);
    }
  }

  /**
   * Resumes from a channel: see {@link CheckpointReader#open(ReadableByteChannel)}.
   *
   * @param channel read to its end, left open
   * @return the choices made while restoring
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if it is damaged or not a checkpoint;
   *     nothing changes
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it does not fit; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link Optimizer#eval}; nothing changes
   * @throws IOException if it cannot be read; nothing changes
   */
  public RestoreReport restore(ReadableByteChannel channel) throws IOException {
    try (CheckpointReader reader = CheckpointReader.open(channel)) {
      return restore(reader);
    }
  }

  /**
   * Resumes from an open file, which is verified first.
   *
   * @param reader left open
   * @return the choices made while restoring
   * @throws io.warmstep.checkpoint.CorruptCheckpointException if it is damaged; nothing changes
   * @throws io.warmstep.checkpoint.CheckpointMismatchException if it does not fit; nothing changes
   * @throws EvaluationModeException in evaluation mode, see {@link Optimizer#eval}; nothing changes
   * @throws IOException if it cannot be read; nothing changes unless the file changes meanwhile, or
   *     the device fails: then the optimizer rejects further steps until it is restored
   */
  public RestoreReport restore(CheckpointReader reader) throws IOException {
    return optimizer.exclusively(
        "restore()",
        () -> {
          optimizer.evaluation().requireTraining("restore()");
          reader.verify();
          RestoreReport report = new OptimizerRestorer(optimizer, this, reader).restore();
          optimizer.forgetAccumulated();
          return report;
        });
  }
}
