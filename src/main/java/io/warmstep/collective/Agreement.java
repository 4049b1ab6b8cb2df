package io.warmstep.collective;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;

/** Checks whether all workers have the same text, and if not, where two differ. */
final class Agreement {
  /** Characters of a line that are shown. */
  private static final int SHOWN = 300;

  private Agreement() {}

  static void require(Collective collective, String what, String text) {
    byte[] bytes = text.getBytes(UTF_8);
    List<byte[]> hashes = collective.exchange(hash(bytes));
    if (differing(hashes) < 0) {
      return;
    }
    int length = Math.min(bytes.length, Collective.MAX_MESSAGE);
    List<byte[]> texts = collective.exchange(Arrays.copyOf(bytes, length));
    int other = differing(hashes);
    String[] first = new String(texts.get(0), UTF_8).split("\n", -1);
    String[] second = new String(texts.get(other), UTF_8).split("\n", -1);
    int line = 0;
    while (line < Math.min(first.length, second.length) && first[line].equals(second[line])) {
      line++;
    }
    throw new WorkersDifferException(
        what
            + " must be the same at all workers, but worker 0 has "
            + shown(first, line)
            + ", and worker "
            + other
            + " has "
            + shown(second, line));
  }

  /** The first worker whose text differs from worker 0's, or -1. */
  private static int differing(List<byte[]> hashes) {
    for (int rank = 1; rank < hashes.size(); rank++) {
      if (!Arrays.equals(hashes.get(0), hashes.get(rank))) {
        return rank;
      }
    }
    return -1;
  }

  private static String shown(String[] lines, int line) {
    if (line >= lines.length || lines[line].isEmpty()) {
      return "nothing more";
    }
    String text = lines[line];
    return "'" + (text.length() > SHOWN ? text.substring(0, SHOWN) + "…" : text) + "'";
  }

  private static byte[] hash(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) { // every JDK has it
      throw new IllegalStateException(e);
    }
  }
}
