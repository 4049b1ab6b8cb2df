package io.warmstep.testkit;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads TensorBoard's event files: records of TensorFlow with their checksums, and of {@code
 * event.proto} what scalars need. Shares nothing with what writes them; its CRC is bit by bit.
 */
public final class EventReader {
  private final List<Scalar> scalars = new ArrayList<>();
  private String version;

  /** A value, its tag and where it belongs. */
  public record Scalar(double wallTime, long step, String tag, float value) {
    @Override
    public String toString() {
      return step + " " + tag + " " + value;
    }
  }

  private EventReader() {}

  public static EventReader of(Path file) throws IOException {
    EventReader reader = new EventReader();
    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    while (in.hasRemaining()) {
      ByteBuffer header = part(in, 8);
      int length = (int) header.getLong(0);
      check(in.getInt(), header, "length");
      ByteBuffer data = part(in, length);
      check(in.getInt(), data, "data");
      reader.event(data);
    }
    return reader;
  }

  public String version() {
    return version;
  }

  public List<Scalar> scalars() {
    return scalars;
  }

  private static ByteBuffer part(ByteBuffer in, int length) {
    ByteBuffer part = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
    in.position(in.position() + length);
    return part;
  }

  private static void check(int stored, ByteBuffer data, String what) {
    long crc = 0xFFFFFFFFL;
    for (int i = 0; i < data.limit(); i++) {
      crc ^= data.get(i) & 0xFF;
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc & 1) == 0 ? crc >>> 1 : crc >>> 1 ^ 0x82F63B78L;
      }
    }
    crc ^= 0xFFFFFFFFL;
    long masked = ((crc >>> 15 | crc << 17) & 0xFFFFFFFFL) + 0xA282EAD8L & 0xFFFFFFFFL;
    if (masked != (stored & 0xFFFFFFFFL)) {
      throw new AssertionError("checksum of a record's " + what + " is wrong");
    }
  }

  private void event(ByteBuffer in) {
    double time = Double.NaN;
    long step = 0;
    List<ByteBuffer> values = new ArrayList<>();
    while (in.hasRemaining()) {
      int key = (int) varint(in);
      switch (key) {
        case 1 << 3 | 1 -> time = in.getDouble();
        case 2 << 3 -> step = varint(in);
        case 3 << 3 | 2 -> version = text(in);
        case 5 << 3 | 2 -> {
          ByteBuffer summary = part(in, (int) varint(in));
          while (summary.hasRemaining()) {
            expect(1 << 3 | 2, (int) varint(summary));
            values.add(part(summary, (int) varint(summary)));
          }
        }
        default -> throw new AssertionError("event has key " + key);
      }
    }
    for (ByteBuffer value : values) {
      expect(1 << 3 | 2, (int) varint(value));
      String tag = text(value);
      expect(2 << 3 | 5, (int) varint(value));
      scalars.add(new Scalar(time, step, tag, value.getFloat()));
    }
  }

  private static void expect(int expected, int key) {
    if (expected != key) {
      throw new AssertionError("expected key " + expected + ", found " + key);
    }
  }

  private static String text(ByteBuffer in) {
    byte[] bytes = new byte[(int) varint(in)];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private static long varint(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; ; shift += 7) {
      byte next = in.get();
      value |= (next & 0x7FL) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }
}
