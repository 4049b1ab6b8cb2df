package io.warmstep.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Files with one thing wrong each, with what the refusal must say of it. */
final class DamagedFiles {
  /** A file and a part of the refusal's message. */
  record Case(String reason, byte[] bytes) {}

  private DamagedFiles() {}

  static byte[] file(String header, int dataBytes) {
    byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + bytes.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(bytes.length)
        .put(bytes)
        .array();
  }

  private static byte[] length(long length) {
    return ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array();
  }

  private static byte[] tensor(String dtype, String shape, String offsets, int dataBytes) {
    return file(
        "{\"a\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}".formatted(dtype, shape, offsets),
        dataBytes);
  }

  private static byte[] two(String first, String second, int dataBytes) {
    String entry = "\"%s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":%s}";
    return file(
        "{%s,%s}".formatted(entry.formatted("x", first), entry.formatted("y", second)), dataBytes);
  }

  private static byte[] metadata(String members) {
    return file("{\"__metadata__\":{" + members + "}}", 0);
  }

  static List<Case> all() {
    List<Case> cases = new ArrayList<>();
    for (int length = 0; length < 8; length++) {
      cases.add(new Case("it has " + length + " bytes, too few", new byte[length]));
    }
    for (long length : new long[] {Long.MAX_VALUE, -1, Long.MIN_VALUE, 0, 1, 57, 1L << 32}) {
      cases.add(new Case("its header has " + length + " bytes, the file 64", length(length)));
    }
    cases.add(new Case("there is no '{'", file("[]", 0)));
    cases.add(new Case("there is no '\"'", file("{ ", 0)));
    cases.add(new Case("there is no '\"'", file("{a:1}", 0)));
    cases.add(new Case("there is no '\"'", file("{\"__metadata__\":{},}", 0)));
    cases.add(new Case("something follows", file("{} {}", 0)));
    cases.add(new Case("something follows", file("{}\0", 0)));
    cases.add(new Case("a text has no end", file("{\"a", 0)));
    cases.add(new Case("control character", file("{\"a\n\":{}}", 0)));
    cases.add(new Case("unknown escape", file("{\"\\x\":{}}", 0)));
    cases.add(new Case("four hexadecimal digits", file("{\"\\u12g4\":{}}", 0)));
    cases.add(new Case("half a surrogate pair", file("{\"\\ud83d\":{}}", 0)));
    cases.add(new Case("half a surrogate pair", file("{\"\\ude00\":{}}", 0)));
    cases.add(new Case("half a surrogate pair", file("{\"\\ud83d\\u0041\":{}}", 0)));
    byte[] latin = file("{\"X\":{}}", 0);
    latin[10] = (byte) 0xfc;
    cases.add(new Case("is not UTF-8", latin));
    cases.add(new Case("\"a\" is no tensor", file("{\"a\":null}", 0)));
    cases.add(new Case("\"a\" is no tensor", file("{\"a\":[]}", 0)));
    cases.add(new Case("\"a\" has no dtype", file("{\"a\":{}}", 0)));
    cases.add(new Case("there is no '\"'", tensor("[]", "[4]", "[0,16]", 16)));
    cases.add(new Case("unknown type \"Q7\"", tensor("\"Q7\"", "[4]", "[0,16]", 16)));
    cases.add(new Case("there is no '['", tensor("\"F32\"", "4", "[0,16]", 16)));
    cases.add(new Case("no whole number", tensor("\"F32\"", "[4.5]", "[0,16]", 16)));
    cases.add(new Case("no whole number", tensor("\"F32\"", "[4e0]", "[0,16]", 16)));
    cases.add(new Case("no whole number", tensor("\"F32\"", "[-4]", "[0,16]", 16)));
    cases.add(new Case("no whole number", tensor("\"F32\"", "[04]", "[0,16]", 16)));
    cases.add(new Case("no whole number", tensor("\"F32\"", "[9223372036854775808]", "[0,1]", 16)));
    cases.add(new Case("no whole number", tensor("\"F32\"", "[null]", "[0,16]", 16)));
    cases.add(
        new Case(
            "too many elements",
            tensor("\"F32\"", "[4294967296,4294967296,4294967296]", "[0,16]", 16)));
    cases.add(
        new Case("too many elements", tensor("\"F32\"", "[9223372036854775807,0]", "[0,0]", 0)));
    cases.add(new Case("two offsets, not 1", tensor("\"F32\"", "[4]", "[0]", 16)));
    cases.add(new Case("two offsets, not 3", tensor("\"F32\"", "[4]", "[0,16,32]", 16)));
    cases.add(new Case("has 128 bits at bytes 0 to 15", tensor("\"F32\"", "[4]", "[0,15]", 16)));
    cases.add(new Case("at bytes 16 to 0", tensor("\"F32\"", "[4]", "[16,0]", 16)));
    cases.add(new Case("has 12 bits", tensor("\"F4\"", "[3]", "[0,1]", 1)));
    cases.add(new Case("16 bytes, the file 15", tensor("\"F32\"", "[4]", "[0,16]", 15)));
    cases.add(new Case("16 bytes, the file 17", tensor("\"F32\"", "[4]", "[0,16]", 17)));
    cases.add(new Case("0 bytes, the file 3", file("{}", 3)));
    // Two tensors over the same bytes: a small file that asks for twice its size.
    cases.add(new Case("begins at 0, must begin at 8", two("[0,8]", "[0,8]", 16)));
    cases.add(new Case("begins at 4, must begin at 8", two("[0,8]", "[4,12]", 16)));
    cases.add(new Case("begins at 8, must begin at 0", two("[8,16]", "[16,24]", 24)));
    cases.add(new Case("begins at 12, must begin at 8", two("[0,8]", "[12,20]", 20)));
    String entry = "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    cases.add(new Case("\"a\" is there twice", file("{" + entry + "," + entry + "}", 0)));
    cases.add(
        new Case(
            "\"a\" has two of \"dtype\"", file("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0)));
    cases.add(
        new Case(
            "\"__metadata__\" is there twice",
            file("{\"__metadata__\":{},\"__metadata__\":{}}", 0)));
    cases.add(new Case("there is no '{'", file("{\"__metadata__\":7}", 0)));
    cases.add(new Case("there is no '\"'", metadata("\"format\":{}")));
    cases.add(new Case("the metadata has \"k\" twice", metadata("\"k\":\"1\",\"k\":\"2\"")));
    String deep = "[".repeat(100_000) + "]".repeat(100_000);
    cases.add(new Case("deep", file("{\"a\":{\"x\":" + deep + "}}", 0)));
    cases.add(new Case("there is no '\"'", file("{\"__metadata__\":{\"a\":" + deep + "}}", 0)));
    cases.add(new Case("has no checksum", metadata("\"format\":\"warmstep\",\"version\":\"1\"")));
    cases.add(
        new Case(
            "has no checksum",
            metadata("\"format\":\"warmstep\",\"version\":\"1\",\"crc32c\":\"0000000G\"")));
    cases.add(new Case("its format is pt", metadata("\"format\":\"pt\",\"crc32c\":\"00000000\"")));
    cases.add(new Case("its format is null", metadata("\"crc32c\":\"00000000\"")));
    cases.add(
        new Case(
            "its format version is 2",
            metadata("\"format\":\"warmstep\",\"version\":\"2\",\"crc32c\":\"00000000\"")));
    cases.add(
        new Case(
            "warmstep-9, is none", metadata("\"format\":\"warmstep-9\",\"crc32c\":\"00000000\"")));
    cases.add(
        new Case(
            "its checksum is",
            metadata("\"format\":\"warmstep\",\"version\":\"1\",\"crc32c\":\"00000000\"")));
    // Eight digits, but not in eight bytes.
    cases.add(
        new Case(
            "its checksum is",
            metadata("\"format\":\"warmstep\",\"version\":\"1\",\"crc32c\":\"\\u00300000000\"")));
    return cases;
  }
}
