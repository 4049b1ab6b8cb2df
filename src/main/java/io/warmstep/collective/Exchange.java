package io.warmstep.collective;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/** Every worker's message goes to every worker, its length first. */
final class Exchange implements Operation {
  private final int rank;
  private final byte[][] messages;
  private final int[] sent;
  private final int[] received;

  Exchange(int rank, int size, byte[] message) {
    this.rank = rank;
    messages = new byte[size][];
    messages[rank] = message;
    sent = new int[size];
    received = new int[size];
    Arrays.fill(sent, -1);
  }

  @Override
  public String name() {
    return Operations.name(kind());
  }

  @Override
  public int kind() {
    return Operations.EXCHANGE;
  }

  @Override
  public int layout() {
    return 0;
  }

  @Override
  public void start() {}

  @Override
  public boolean sendsTo(int peer) {
    return sent[peer] < messages[rank].length;
  }

  @Override
  public void fill(int peer, ByteBuffer payload) {
    byte[] message = messages[rank];
    if (sent[peer] < 0) {
      payload.putInt(message.length);
      sent[peer] = 0;
    }
    int n = Math.min(payload.remaining(), message.length - sent[peer]);
    payload.put(message, sent[peer], n);
    sent[peer] += n;
  }

  @Override
  public boolean expectsFrom(int peer) {
    return messages[peer] == null || received[peer] < messages[peer].length;
  }

  @Override
  public boolean accept(int peer, ByteBuffer payload) {
    if (messages[peer] == null) {
      int length = payload.getInt();
      if (length < 0 || length > Collective.MAX_MESSAGE) {
        throw new WorkersDifferException(
            "worker " + peer + " announced a message of " + length + " bytes");
      }
      messages[peer] = new byte[length];
    }
    int n = payload.remaining();
    payload.get(messages[peer], received[peer], n);
    received[peer] += n;
    return true;
  }

  List<byte[]> messages() {
    return List.of(messages);
  }
}
