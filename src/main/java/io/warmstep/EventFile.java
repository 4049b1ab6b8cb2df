package io.warmstep;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * Writes scalars for TensorBoard: a file of events in a folder, which is a run there. Used by one
 * thread at a time.
 *
 * <p>Each event is a record of TensorFlow: the length of the data (8 bytes), its checksum, the
 * data, and their checksum, all little-endian. A checksum is CRC32C, rotated right by 15 bits, plus
 * 0xA282EAD8. The data are an {@code Event} message of {@code event.proto} with its time, its step
 * and one {@code simple_value}.
 */
public final class EventFile implements AutoCloseable {
  private static final int MASK = 0xA282EAD8;

  /** Wire types of protocol buffers. */
  private static final int VARINT = 0;

  private static final int FIXED_64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED_32 = 5;

  private final Path file;
  private final OutputStream out;

  private EventFile(Path file, OutputStream out) {
    this.file = file;
    this.out = out;
  }

  /**
   * Creates a file in a folder, and the folder if it does not exist. Existing files stay.
   *
   * @param folder the run's folder; TensorBoard names the run after it
   * @return the file, to be closed by the caller
   * @throws IOException if the folder or the file cannot be created
   */
  public static EventFile create(Path folder) throws IOException {
    Files.createDirectories(Objects.requireNonNull(folder, "folder"));
    long seconds = System.currentTimeMillis() / 1000;
    for (int number = 0; ; number++) {
      Path file = folder.resolve("events.out.tfevents." + seconds + ".warmstep." + number);
      try {
        OutputStream out = Files.newOutputStream(file, StandardOpenOption.CREATE_NEW);
        EventFile created = new EventFile(file, new BufferedOutputStream(out));
        created.writeVersion();
        return created;
      } catch (FileAlreadyExistsException e) {
        // If two runs began within the same second, the next number is free.
      }
    }
  }

  /**
   * Returns where the events go.
   *
   * @return the file
   */
  public Path file() {
    return file;
  }

  /**
   * Writes one value.
   *
   * @param tag the curve's name, such as {@code loss/training}
   * @param step the step that the value belongs to
   * @param value the value, stored as float32; NaN and infinities too
   * @throws IOException if the file cannot be written
   */
  public void scalar(String tag, long step, double value) throws IOException {
    Message scalar = new Message();
    scalar.bytes(1, Objects.requireNonNull(tag, "tag").getBytes(StandardCharsets.UTF_8));
    scalar.float32(2, (float) value);
    Message summary = new Message();
    summary.bytes(1, scalar.toBytes());
    Message event = now();
    event.varint(2, step);
    event.bytes(5, summary.toBytes());
    write(event.toBytes());
  }

  /**
   * Hands everything to the operating system, so that TensorBoard sees it.
   *
   * @throws IOException if the file cannot be written
   */
  public void flush() throws IOException {
    out.flush();
  }

  @Override
  public void close() throws IOException {
    out.close();
  }

  private void writeVersion() throws IOException {
    Message event = now();
    event.bytes(3, "brain.Event:2".getBytes(StandardCharsets.US_ASCII));
    write(event.toBytes());
  }

  private static Message now() {
    Message event = new Message();
    event.float64(1, System.currentTimeMillis() / 1000.0);
    return event;
  }

  private void write(byte[] data) throws IOException {
    byte[] length =
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(data.length).array();
    out.write(length);
    out.write(checksum(length));
    out.write(data);
    out.write(checksum(data));
  }

  private static byte[] checksum(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data, 0, data.length);
    int masked = Integer.rotateRight((int) crc.getValue(), 15) + MASK;
    return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(masked).array();
  }

  /** A message of protocol buffers, field by field. */
  private static final class Message {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    void varint(int field, long value) {
      varint((long) field << 3 | VARINT);
      varint(value);
    }

    void float64(int field, double value) {
      varint((long) field << 3 | FIXED_64);
      out.writeBytes(
          ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putDouble(value).array());
    }

    void float32(int field, float value) {
      varint((long) field << 3 | FIXED_32);
      out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(value).array());
    }

    void bytes(int field, byte[] value) {
      varint((long) field << 3 | BYTES);
      varint(value.length);
      out.writeBytes(value);
    }

    private void varint(long value) {
      long rest = value;
      while ((rest & ~0x7FL) != 0) {
        out.write((int) ((rest & 0x7F) | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }

    byte[] toBytes() {
      return out.toByteArray();
    }
  }
}
