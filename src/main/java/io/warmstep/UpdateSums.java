package io.warmstep;

import io.warmstep.backend.UpdateTiles;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one step changed in a group of parameters, as sums that the workers of a sharded optimizer
 * can join: each has those of its parts, which begin at leaves and so at tiles. Sums of squares are
 * kept by tile and added up in the order of the elements at the end, so that they do not depend on
 * how many parts there were.
 */
final class UpdateSums {
  private final List<OfParameter> members;

  private UpdateSums(List<OfParameter> members) {
    this.members = members;
  }

  /** Starts the sums of parameters, in the order of a group. */
  static UpdateSums of(List<Parameter> parameters) {
    return new UpdateSums(parameters.stream().map(one -> new OfParameter(one.name())).toList());
  }

  /** The sums of a group's parameter, or of a part of it. */
  OfParameter member(int index) {
    return members.get(index);
  }

  /** The sums of one parameter. */
  static final class OfParameter {
    private final String name;
    private double[] changes = {};
    private double[] sizes = {};
    private int tiles;
    private long elements;
    private long moving;
    private long still;
    private final Map<String, OfCodes> codes = new LinkedHashMap<>();

    private OfParameter(String name) {
      this.name = name;
    }

    /** Makes room for as many tiles. */
    private void expect(int more) {
      changes = Arrays.copyOf(changes, tiles + more);
      sizes = Arrays.copyOf(sizes, tiles + more);
    }

    private void addTile(double change, double size) {
      changes[tiles] = change;
      sizes[tiles] = size;
      tiles++;
    }

    /** Names a slot of codes, which is reported even if nothing is counted. */
    OfCodes codes(String slot) {
      return codes.computeIfAbsent(slot, name -> new OfCodes());
    }

    /** Adds the next tiles up to the end of the parameter, of which this many elements are. */
    void add(TileRows rows, long length) {
      int count = Math.toIntExact(UpdateTiles.count(length));
      int width = UpdateTiles.width(codes.size());
      expect(count);
      elements += length;
      for (int tile = 0; tile < count; tile++) {
        double[] row = rows.next(width);
        addTile(row[UpdateTiles.CHANGE], row[UpdateTiles.SIZE]);
        moving += (long) row[UpdateTiles.MOVING];
        still += (long) row[UpdateTiles.STILL];
        int at = UpdateTiles.CODES;
        for (OfCodes slot : codes.values()) {
          slot.saturated += (long) row[at];
          slot.vanished += (long) row[at + 1];
          at += 2;
        }
      }
    }

    /** The sum over all tiles in their order. */
    private double sum(double[] ofTiles) {
      double sum = 0;
      for (int tile = 0; tile < tiles; tile++) {
        sum += ofTiles[tile];
      }
      return sum;
    }

    private void writeTo(DataOutputStream out) throws IOException {
      out.writeInt(tiles);
      for (int tile = 0; tile < tiles; tile++) {
        out.writeDouble(changes[tile]);
        out.writeDouble(sizes[tile]);
      }
      out.writeLong(elements);
      out.writeLong(moving);
      out.writeLong(still);
      out.writeInt(codes.size());
      for (Map.Entry<String, OfCodes> slot : codes.entrySet()) {
        out.writeUTF(slot.getKey());
        out.writeLong(slot.getValue().saturated);
        out.writeLong(slot.getValue().vanished);
      }
    }

    /** Adds the next part. */
    private void read(DataInputStream in) throws IOException {
      int more = in.readInt();
      expect(more);
      for (int i = 0; i < more; i++) {
        addTile(in.readDouble(), in.readDouble());
      }
      elements += in.readLong();
      moving += in.readLong();
      still += in.readLong();
      int slots = in.readInt();
      for (int i = 0; i < slots; i++) {
        OfCodes counts = codes(in.readUTF());
        counts.saturated += in.readLong();
        counts.vanished += in.readLong();
      }
    }
  }

  /** Counts of the codes of one slot. */
  static final class OfCodes {
    private long saturated;
    private long vanished;
  }

  /** Rows of numbers, one for each tile, as {@link UpdateTiles} describes them. */
  interface TileRows {
    /**
     * The next row.
     *
     * @param width how many numbers it has
     * @return an array that the next call may fill again
     */
    double[] next(int width);
  }

  /** Writes this worker's part. */
  void writeTo(DataOutputStream out) throws IOException {
    for (OfParameter member : members) {
      member.writeTo(out);
    }
  }

  /** The sums of the same parameters without any part. */
  UpdateSums empty() {
    return new UpdateSums(members.stream().map(one -> new OfParameter(one.name)).toList());
  }

  /** Adds the part that another worker wrote, which follows those added so far. */
  void read(DataInputStream in) throws IOException {
    for (OfParameter member : members) {
      member.read(in);
    }
  }

  /**
   * What is reported of the whole group.
   *
   * @param name the group's
   * @param isStill whether its rate was 0
   */
  StepReport.Update report(String name, boolean isStill) {
    double change = 0;
    double size = 0;
    long moving = 0;
    long still = 0;
    double largest = Double.NaN;
    String largestParameter = "";
    Map<String, OfSlot> codes = new LinkedHashMap<>();
    for (OfParameter member : members) {
      double ownChange = member.sum(member.changes);
      double ownSize = member.sum(member.sizes);
      change += ownChange;
      size += ownSize;
      moving += member.moving;
      still += member.still;
      if (ownSize != 0) {
        double ratio = Math.sqrt(ownChange) / Math.sqrt(ownSize);
        if (largestParameter.isEmpty()
            || ratio > largest
            || (Double.isNaN(ratio) && !Double.isNaN(largest))) { // NaN counts as the largest
          largest = ratio;
          largestParameter = member.name;
        }
      }
      member.codes.forEach(
          (slot, its) -> codes.computeIfAbsent(slot, OfSlot::new).add(member, its));
    }
    List<StepReport.Codes> slots = codes.values().stream().map(OfSlot::report).toList();
    return new StepReport.Update(
        name,
        Math.sqrt(change) / Math.sqrt(size),
        isStill ? Double.NaN : share(still, moving),
        largest,
        largestParameter,
        slots);
  }

  /** A slot of codes of a whole group. */
  private static final class OfSlot {
    private final String slot;
    private long elements;
    private long saturated;
    private long moving;
    private long vanished;

    OfSlot(String slot) {
      this.slot = slot;
    }

    void add(OfParameter member, OfCodes its) {
      elements += member.elements;
      saturated += its.saturated;
      moving += member.moving;
      vanished += its.vanished;
    }

    StepReport.Codes report() {
      return new StepReport.Codes(slot, share(saturated, elements), share(vanished, moving));
    }
  }

  /** NaN if there is nothing to have a share of. */
  private static double share(long part, long whole) {
    return (double) part / whole;
  }
}
