package io.warmstep.collective;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.ShardedOptimizer;
import io.warmstep.rule.Adam;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** A worker that is a process of its own: takes steps until something fails, and says what. */
final class WorkerProcess {
  static final int LENGTH = 4_000_000; // so that a share is updated in several parts

  private WorkerProcess() {}

  /** Where a process is killed in its third step. */
  enum End {
    REDUCE_SCATTER,
    UPDATE,
    SENDING,
    ALL_GATHER,
    CONFIRMATION,
    NOWHERE
  }

  /** A collective whose worker is gone in the middle of an operation. */
  private static final class Ending extends ForwardingCollective {
    private final End end;
    private int reductions;

    Ending(Collective whole, End end) {
      super(whole);
      this.end = end;
    }

    /** Has no time to say goodbye, nor to do anything else. */
    private static void kill() {
      String own = Long.toString(ProcessHandle.current().pid());
      try {
        new ProcessBuilder("kill", "-KILL", own).inheritIO().start().waitFor();
      } catch (IOException | InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    private void halt(End here) {
      if (end == here && reductions == 3) {
        Thread killer =
            new Thread(
                () -> {
                  try {
                    Thread.sleep(1);
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                  kill();
                });
        killer.start();
      }
    }

    @Override
    public void reduceScatter(LaneTree tree, List<LaneShare> shares) {
      reductions++;
      halt(End.REDUCE_SCATTER);
      super.reduceScatter(tree, shares);
      if (end == End.UPDATE && reductions == 3) {
        kill(); // with the sums, and before its share is updated
      }
    }

    @Override
    public void allGather(List<Share> shares) {
      halt(End.ALL_GATHER);
      super.allGather(shares);
    }

    @Override
    public void barrier() {
      if (end == End.CONFIRMATION && reductions == 3) {
        kill(); // with all parameters, and before it has said so
      }
      super.barrier();
    }

    @Override
    public Gathering gather(List<Share> shares) {
      Gathering gathering = super.gather(shares);
      return new Gathering() {
        private int parts;

        @Override
        public void ready(long elements) {
          gathering.ready(elements);
          parts++;
          if (end == End.SENDING && reductions == 3 && parts == 2) {
            kill(); // with a part of its share sent
          }
        }

        @Override
        public void finish() {
          halt(End.ALL_GATHER);
          gathering.finish();
        }
      };
    }
  }

  /**
   * Takes steps.
   *
   * @param arguments rank, size, address of the first worker, time limit in milliseconds, end
   */
  public static void main(String[] arguments) throws Exception {
    int rank = Integer.parseInt(arguments[0]);
    int size = Integer.parseInt(arguments[1]);
    Duration limit = Duration.ofMillis(Long.parseLong(arguments[3]));
    try (TcpEndpoint own = TcpEndpoint.bind(InetAddress.getLoopbackAddress(), 0).limit(limit);
        Collective collective = own.meet(rank, size, arguments[2], "token")) {
      System.out.println("joined");
      train(new Ending(collective, End.valueOf(arguments[4])), values -> {});
    } catch (CollectiveException e) {
      System.out.println(e.getClass().getSimpleName());
    }
  }

  /**
   * Takes steps until one fails.
   *
   * @param left receives the parameters as they are then
   */
  static void train(Collective collective, Consumer<float[]> left) {
    try (Device device = Devices.cpu(1);
        Parameters parameters = Parameters.on(device).add("w", new float[LENGTH]).build();
        ShardedOptimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(1e-3)
                .sharded(collective)
                .build()) {
      float[] gradients = new float[LENGTH];
      Arrays.fill(gradients, 1);
      parameters.get("w").gradients().copyFrom(gradients);
      while (true) {
        long before = optimizer.stepCount();
        try {
          optimizer.step();
        } catch (CollectiveException e) {
          if (optimizer.stepCount() != before) {
            throw new AssertionError("took a step alone", e);
          }
          left.accept(parameters.get("w").values().toFloats());
          throw e;
        }
      }
    }
  }
}
