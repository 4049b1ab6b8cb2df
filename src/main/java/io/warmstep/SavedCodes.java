package io.warmstep;

import io.warmstep.checkpoint.CheckpointReader;
import io.warmstep.checkpoint.CheckpointWriter;
import io.warmstep.checkpoint.ElementFormat;
import io.warmstep.checkpoint.PyTorchNames;
import io.warmstep.checkpoint.TensorEntry;
import io.warmstep.storage.StateCodes;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * State in a file as codes: a tensor of them, signed for moments and unsigned for squares, and one
 * of the groups' scales, as in {@link StateCodes}.
 *
 * @param codes in the file
 * @param scales in the file
 */
record SavedCodes(TensorEntry codes, TensorEntry scales) {
  /** Length of a chunk, a multiple of a group's. */
  private static final int CHUNK = 1 << 16;

  /** The name of a state's scales. */
  static String scaleName(String name) {
    return name + PyTorchNames.SCALE;
  }

  private static ElementFormat format(boolean areSquares) {
    return areSquares ? ElementFormat.U8 : ElementFormat.I8;
  }

  static void add(CheckpointWriter writer, String name, CodedMemory state, List<Long> shape) {
    writer.tensor(
        name,
        format(state.areSquares()),
        shape,
        (from, array, offset, length) -> read(state, from, (byte[]) array, offset, length));
    writer.tensor(
        scaleName(name),
        ElementFormat.U16,
        List.of(StateCodes.groups(state.length())),
        (from, array, offset, length) -> state.readScales(from, (short[]) array, offset, length));
  }

  private static void read(CodedMemory state, long from, byte[] codes, int offset, int length) {
    long first = from / StateCodes.GROUP;
    int groups = (int) (StateCodes.groups(from + length) - first);
    short[] words = new short[(int) StateCodes.firstCode(groups)];
    state.readCodes(first, words, groups);
    int skipped = (int) (from - first * StateCodes.GROUP);
    for (int i = 0; i < length; i++) {
      int at = skipped + i;
      codes[offset + i] = (byte) (words[at >> 1] >>> ((at & 1) << 3));
    }
  }

  /** A state that a file stores as codes; empty if it stores numbers, or nothing. */
  static Optional<SavedCodes> of(CheckpointReader reader, String name) {
    Optional<TensorEntry> codes = bytes(reader, name);
    Optional<TensorEntry> scales =
        reader
            .tensor(scaleName(name))
            .filter(its -> its.format() == ElementFormat.U16)
            .filter(
                its -> codes.isPresent() && its.count() == StateCodes.groups(codes.get().count()));
    return scales.map(its -> new SavedCodes(codes.get(), its));
  }

  private static Optional<TensorEntry> bytes(CheckpointReader reader, String name) {
    return reader
        .tensor(name)
        .filter(its -> its.format() == format(true) || its.format() == format(false));
  }

  /** What is wrong with the scales of a state's bytes; empty if nothing is, or it has no bytes. */
  static Optional<String> lack(CheckpointReader reader, String name) {
    if (of(reader, name).isPresent()) {
      return Optional.empty();
    }
    String scale = scaleName(name);
    String found =
        reader
            .tensor(scale)
            .map(its -> " is " + its.format() + " of length " + its.count() + " in the file")
            .orElse(" is missing");
    return bytes(reader, name)
        .map(
            its ->
                scale
                    + found
                    + ", must be "
                    + ElementFormat.U16
                    + " of length "
                    + StateCodes.groups(its.count())
                    + ", the scales of "
                    + name
                    + ", which is "
                    + its.format());
  }

  private boolean areSquares() {
    return codes.format() == format(true);
  }

  /**
   * Why a state cannot be restored bit for bit: rounding it to codes would change it.
   *
   * @param saved the file's codes, if any
   * @param target the optimizer's codes, if any
   * @param tensor the optimizer's state as numbers
   */
  static Optional<String> difference(
      CheckpointReader reader,
      String name,
      Optional<SavedCodes> saved,
      Optional<CodedMemory> target,
      Tensor tensor) {
    if (saved.isEmpty()) {
      ElementFormat format = reader.tensor(name).orElseThrow().format();
      return Optional.of(name + " is " + format + " in the file, here " + StateType.INT8);
    }
    boolean fits =
        target.isPresent()
            ? target.get().areSquares() == saved.get().areSquares()
            : tensor.type() == ElementType.FLOAT32;
    return fits
        ? Optional.empty()
        : Optional.of(
            name
                + " is codes of 8 bits in the file, "
                + saved.get().codes.format()
                + ", here "
                + target
                    .map(its -> format(its.areSquares()).toString())
                    .orElse("" + tensor.type()));
  }

  /**
   * Why no encoder has written them: a scale beyond the largest one, or a code of more than 0 where
   * the scale is 0. Steps on such state would not have the same bits everywhere.
   */
  Optional<String> flaw(CheckpointReader reader) throws IOException {
    byte[] bytes = new byte[(int) Math.min(CHUNK, codes.count())];
    short[] scale = new short[(int) StateCodes.groups(bytes.length)];
    for (long at = 0; at < codes.count(); at += CHUNK) {
      int n = (int) Math.min(CHUNK, codes.count() - at);
      long group = at / StateCodes.GROUP;
      int groups = (int) StateCodes.groups(n);
      reader.read(scales, group, scale, 0, groups);
      boolean hasZeros = false;
      for (int i = 0; i < groups; i++) {
        if (!StateCodes.isScale(scale[i], areSquares())) {
          String most = described(StateCodes.largestScale(areSquares()));
          return Optional.of(
              refusal(
                  scales.name() + " is " + described(scale[i]) + " at " + (group + i),
                  "at most " + most + ", which larger numbers count as"));
        }
        hasZeros |= scale[i] == 0;
      }
      if (hasZeros) {
        reader.read(codes, at, bytes, 0, n);
      }
      for (int i = 0; hasZeros && i < n; i++) {
        if (scale[i / StateCodes.GROUP] == 0
            && !StateCodes.needsNoScale(bytes[i] & 0xff, areSquares())) {
          int code = areSquares() ? bytes[i] & 0xff : bytes[i];
          return Optional.of(
              refusal(
                  codes.name() + " is " + code + " at " + (at + i) + " beside a scale of 0",
                  areSquares() ? "0, 254 or 255" : "0 or -128"));
        }
      }
    }
    return Optional.empty();
  }

  private static String described(short scale) {
    return "0x" + HexFormat.of().toHexDigits(scale) + " (" + StateCodes.scale(scale) + ")";
  }

  private static String refusal(String found, String allowed) {
    return found
        + ", must be "
        + allowed
        + ": restore another checkpoint, or encode the state as Warmstep does";
  }

  /**
   * Copies codes as they are, or decodes them where the optimizer keeps float32.
   *
   * @param tensor with as many elements
   * @param target its codes, if it has them
   */
  FileCopy copyTo(Tensor tensor, Optional<CodedMemory> target) {
    return reader -> {
      int most = (int) Math.min(CHUNK, tensor.length());
      byte[] bytes = new byte[most];
      short[] scale = new short[(int) StateCodes.groups(most)];
      float[] numbers = new float[target.isPresent() ? 0 : most];
      for (long at = 0; at < tensor.length(); at += CHUNK) {
        int n = (int) Math.min(CHUNK, tensor.length() - at);
        long group = at / StateCodes.GROUP;
        int groups = (int) StateCodes.groups(n);
        reader.read(codes, at, bytes, 0, n);
        reader.read(scales, group, scale, 0, groups);
        short[] words = new short[(int) StateCodes.firstCode(groups)];
        for (int i = 0; i < n; i++) {
          words[i >> 1] |= (short) ((bytes[i] & 0xff) << ((i & 1) << 3));
        }
        if (target.isPresent()) {
          target.get().writeCodes(group, words, groups);
          target.get().writeScales(group, scale, groups);
        } else {
          StateCodes.decode(words, scale, areSquares(), numbers, 0, n);
          tensor.write(at, numbers, 0, n);
        }
      }
    };
  }
}
