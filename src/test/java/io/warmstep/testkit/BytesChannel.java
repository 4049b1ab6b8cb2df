package io.warmstep.testkit;

import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.util.Arrays;

/** Bytes in memory as a channel, for what is saved and restored many times. */
public final class BytesChannel implements SeekableByteChannel {
  private byte[] bytes;
  private int size;
  private int position;

  public BytesChannel(byte... content) {
    bytes = content.clone();
    size = content.length;
  }

  /** A copy of the content. */
  public byte[] content() {
    return Arrays.copyOf(bytes, size);
  }

  @Override
  public int read(ByteBuffer to) {
    if (position >= size) {
      return -1;
    }
    int n = Math.min(to.remaining(), size - position);
    to.put(bytes, position, n);
    position += n;
    return n;
  }

  @Override
  public int write(ByteBuffer from) {
    int n = from.remaining();
    if (position + n > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, position + n));
    }
    from.get(bytes, position, n);
    position += n;
    size = Math.max(size, position);
    return n;
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public SeekableByteChannel position(long position) {
    this.position = Math.toIntExact(position);
    return this;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public SeekableByteChannel truncate(long size) {
    this.size = (int) Math.min(size, this.size);
    position = Math.min(position, this.size);
    return this;
  }

  @Override
  public boolean isOpen() {
    return true;
  }

  @Override
  public void close() {}
}
