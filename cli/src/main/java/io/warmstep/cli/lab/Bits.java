package io.warmstep.cli.lab;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** A short name for many bits. */
final class Bits {
  private Bits() {}

  /** SHA-256 in hexadecimal. */
  static String hash(byte[] bits) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bits));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
