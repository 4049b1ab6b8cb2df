package io.warmstep.checkpoint;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * The CRC-32C of a whole file, header and data, with the digits of the checksum itself taken as
 * zeros: {@code 00000000}.
 */
final class Checksum {
  /** The placeholder for the digits in a header. */
  static final String ZEROS = "00000000";

  private final CRC32C crc = new CRC32C();

  void update(ByteBuffer bytes) {
    crc.update(bytes);
  }

  void update(byte[] bytes) {
    crc.update(bytes);
  }

  /** Adds a header, with zeros for the digits that begin at an index. */
  void updateHeader(byte[] header, int digitsAt) {
    byte[] zeros = ZEROS.getBytes(StandardCharsets.ISO_8859_1);
    crc.update(header, 0, digitsAt);
    crc.update(zeros);
    int after = digitsAt + zeros.length;
    crc.update(header, after, header.length - after);
  }

  /** Eight lower-case hexadecimal digits. */
  String digits() {
    return String.format(java.util.Locale.ROOT, "%08x", crc.getValue());
  }
}
