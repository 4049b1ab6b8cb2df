package io.warmstep.collective;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * A worker that sends its last bucket and ends at the worst moment: right after the other has
 * looked for one and found none.
 */
class PeerEndTest {
  /** A link to a peer that acts between two looks at what has arrived. */
  private static final class LastMoment implements Link {
    private final ByteBuffer own = Bucket.allocate(2, false);
    private final Consumer<ByteBuffer> last;
    private final boolean takesBuckets;
    private ByteBuffer arrived;
    private WorkerLostException end;
    private boolean hasActed;

    LastMoment(boolean takesBuckets, Consumer<ByteBuffer> last) {
      this.takesBuckets = takesBuckets;
      this.last = last;
    }

    @Override
    public ByteBuffer empty() {
      return takesBuckets ? own : null;
    }

    @Override
    public void send(ByteBuffer filled) {}

    @Override
    public ByteBuffer arrived() {
      ByteBuffer seen = arrived;
      if (!hasActed) {
        hasActed = true;
        arrived = Bucket.allocate(2, false);
        last.accept(arrived);
        end = new WorkerLostException("worker 1 has ended", null);
      }
      return seen;
    }

    @Override
    public void release() {
      arrived = null;
    }

    @Override
    public boolean isFlushed() {
      return true;
    }

    @Override
    public WorkerLostException end() {
      return end;
    }

    @Override
    public void close() {}
  }

  private static final class Rank0 extends Mesh {
    Rank0(Link peer) {
      super(0, 2, Duration.ofSeconds(10));
      connect(new Link[] {null, peer});
    }

    @Override
    boolean move() {
      return false;
    }

    @Override
    void await(long nanos) {}

    @Override
    void wake() {}

    @Override
    void free() {}
  }

  @Test
  void theLastBucketOfAWorkerThatEndsIsTaken() {
    Exchange its = new Exchange(1, 2, "from 1".getBytes(UTF_8));
    Link link =
        new LastMoment(
            true,
            bucket -> {
              bucket.position(Bucket.HEADER);
              its.fill(0, bucket);
              Bucket.seal(bucket, its.kind(), 1, its.layout());
            });
    try (Collective collective = new Rank0(link)) {
      List<byte[]> messages = collective.exchange("from 0".getBytes(UTF_8));
      assertEquals("from 1", new String(messages.get(1), UTF_8));
    }
  }

  @Test
  void theReasonOfAWorkerThatFailsIsReported() {
    for (boolean takesBuckets : new boolean[] {true, false}) {
      Link link =
          new LastMoment(
              takesBuckets, bucket -> Bucket.sealText(bucket, Bucket.FAILED, "its disk is full"));
      try (Collective collective = new Rank0(link)) {
        String message =
            assertThrows(WorkerLostException.class, () -> collective.exchange(new byte[3]))
                .getMessage();
        assertTrue(message.contains("its disk is full"), message);
      }
    }
  }
}
