package io.warmstep;

import io.warmstep.collective.Collective;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Reports the steps of a sharded optimizer to this worker's listeners. A report is of the whole
 * model and the same at all workers: each measures its share, and the exchange that confirms the
 * step carries what it measured.
 */
final class SharedReports implements AutoCloseable {
  /** What listeners want of a step. If any worker's want it, all take part in it. */
  enum Wanted {
    NOTHING,
    NUMBERS,
    UPDATES
  }

  private final Collective collective;
  private final Device device;
  private final StepListeners listeners;
  private final boolean measuresUpdates;
  private final boolean zeroesGradients;
  private final Held held = new Held();
  private final Lifetime lifetime;
  private Wanted kept = Wanted.NOTHING; // what the snapshot is for
  private boolean isCurrent; // whether it is of the step that is being taken
  private long calls;
  private boolean hasLoss;
  private double loss;

  /** The copies of a step's data; refers to nothing that frees itself. */
  private static final class Held implements Runnable {
    private final AtomicReference<StepSnapshot> snapshot = new AtomicReference<>();

    @Override
    public void run() {
      StepSnapshot last = snapshot.getAndSet(null);
      if (last != null) {
        last.close();
      }
    }
  }

  SharedReports(
      Collective collective,
      Device device,
      StepListeners listeners,
      boolean measuresUpdates,
      boolean zeroesGradients) {
    this.collective = collective;
    this.device = device;
    this.listeners = listeners;
    this.measuresUpdates = measuresUpdates;
    this.zeroesGradients = zeroesGradients;
    lifetime = Lifetime.unreported(this, "copies for reports");
    lifetime.ifLost(device.backend(), held);
  }

  void loss(double value) {
    hasLoss = true;
    loss = value;
  }

  /** What this worker's listeners want of the next step. */
  Wanted wanted() {
    if (!listeners.isDue(calls + 1)) {
      return Wanted.NOTHING;
    }
    return measuresUpdates ? Wanted.UPDATES : Wanted.NUMBERS;
  }

  /**
   * Before a step, with its gradients: copies the data that it overwrites.
   *
   * @param wanted the most that any worker's listeners want
   * @throws OutOfDeviceMemoryException if there is no room for that
   */
  void begin(PreparedStep step, Wanted wanted) {
    isCurrent = wanted != Wanted.NOTHING;
    step.measureNext(null, false); // of a step that failed
    if (!isCurrent) {
      return;
    }
    StepSnapshot snapshot = held.snapshot.get();
    if (snapshot == null || kept != wanted || !snapshot.fits(step)) {
      held.run();
      snapshot =
          new StepSnapshot(device.backend(), step, wanted == Wanted.UPDATES, zeroesGradients);
      held.snapshot.set(snapshot);
      kept = wanted;
    }
    snapshot.prepare(step, false);
    snapshot.beforeStep();
  }

  /** After the step, before gradients are set to zero. */
  void end(PreparedStep step) {
    if (isCurrent) {
      held.snapshot.get().afterStep(step);
    }
  }

  /** Waits until all workers have taken the step, and joins what they measured. */
  void confirm(Optimizer optimizer) {
    calls++;
    if (!isCurrent) {
      collective.barrier();
      return;
    }
    StepSnapshot snapshot = held.snapshot.get();
    snapshot.await();
    boolean happened = !optimizer.isLastStepSkipped();
    List<UpdateSums> own = snapshot.sums(happened);
    List<byte[]> messages = collective.exchange(message(own));
    isCurrent = false;
    if (listeners.isDue(calls)) {
      List<UpdateSums> all = own.stream().map(UpdateSums::empty).toList();
      double shared = join(messages, all);
      StepListeners.Known known = StepListeners.Known.of(calls, happened, optimizer, shared);
      List<StepReport.Update> updates = snapshot.updates(all, known.ownRate());
      listeners.add(known, snapshot.norm(), measuresUpdates ? updates : List.of());
    }
  }

  private byte[] message(List<UpdateSums> own) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeBoolean(hasLoss);
      out.writeDouble(loss);
      for (UpdateSums sums : own) {
        sums.writeTo(out);
      }
    } catch (IOException e) { // memory takes all
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  /** Adds all workers' sums in their order; returns the mean of their losses, or NaN without. */
  private static double join(List<byte[]> messages, List<UpdateSums> all) {
    double sum = 0;
    long count = 0;
    for (byte[] message : messages) {
      try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(message))) {
        boolean isThere = in.readBoolean();
        double its = in.readDouble();
        sum += isThere ? its : 0;
        count += isThere ? 1 : 0;
        for (UpdateSums sums : all) {
          sums.read(in);
        }
      } catch (IOException e) { // all workers have the same parameters
        throw new UncheckedIOException(e);
      }
    }
    return sum / count;
  }

  /** Calls the listeners; the first failure of one is thrown after all were called. */
  void deliver() {
    listeners.deliver();
  }

  /** Frees the copies. Closing twice is fine. */
  @Override
  public void close() {
    if (lifetime.end() && device.isOpen()) {
      held.run();
    }
  }
}
