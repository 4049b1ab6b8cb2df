package io.warmstep;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one step changed in a group of parameters, as sums that the workers of a sharded optimizer
 * can join: each has those of its parts, which begin at leaves. Sums of squares are kept by leaf
 * and added up in the order of the elements at the end, so that they do not depend on how many
 * parts there were.
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
    private int leaves;
    private long withGradient;
    private long lost;
    private final Map<String, OfCodes> codes = new LinkedHashMap<>();

    private OfParameter(String name) {
      this.name = name;
    }

    /** Makes room for as many leaves. */
    void expect(int more) {
      changes = Arrays.copyOf(changes, leaves + more);
      sizes = Arrays.copyOf(sizes, leaves + more);
    }

    /**
     * Adds the next leaf.
     *
     * @param change the sum of the squares of its changes
     * @param size the same of the values before
     */
    void addLeaf(double change, double size) {
      changes[leaves] = change;
      sizes[leaves] = size;
      leaves++;
    }

    /**
     * Counts elements.
     *
     * @param moving elements with a gradient that moves them
     * @param still those of them that did not change
     */
    void count(long moving, long still) {
      withGradient += moving;
      lost += still;
    }

    /** The counts of a slot of codes, which is reported even if nothing is counted. */
    OfCodes codes(String slot) {
      return codes.computeIfAbsent(slot, name -> new OfCodes());
    }

    /** The sum over all leaves in their order. */
    private double sum(double[] ofLeaves) {
      double sum = 0;
      for (int leaf = 0; leaf < leaves; leaf++) {
        sum += ofLeaves[leaf];
      }
      return sum;
    }

    private void writeTo(DataOutputStream out) throws IOException {
      out.writeInt(leaves);
      for (int leaf = 0; leaf < leaves; leaf++) {
        out.writeDouble(changes[leaf]);
        out.writeDouble(sizes[leaf]);
      }
      out.writeLong(withGradient);
      out.writeLong(lost);
      out.writeInt(codes.size());
      for (Map.Entry<String, OfCodes> slot : codes.entrySet()) {
        out.writeUTF(slot.getKey());
        OfCodes counts = slot.getValue();
        out.writeLong(counts.elements);
        out.writeLong(counts.saturated);
        out.writeLong(counts.withGradient);
        out.writeLong(counts.vanished);
      }
    }

    /** Adds the next part. */
    private void read(DataInputStream in) throws IOException {
      int more = in.readInt();
      expect(more);
      for (int i = 0; i < more; i++) {
        addLeaf(in.readDouble(), in.readDouble());
      }
      count(in.readLong(), in.readLong());
      int slots = in.readInt();
      for (int i = 0; i < slots; i++) {
        OfCodes counts = codes(in.readUTF());
        counts.elements += in.readLong();
        counts.saturated += in.readLong();
        counts.withGradient += in.readLong();
        counts.vanished += in.readLong();
      }
    }
  }

  /** Counts of the codes of one slot. */
  static final class OfCodes {
    private long elements;
    private long saturated;
    private long withGradient;
    private long vanished;

    /**
     * Counts elements.
     *
     * @param all of them
     * @param beyond those that are stored as the largest number or what is not finite
     * @param moving those with a gradient that moves them
     * @param zero those of the latter that are stored as 0
     */
    void count(long all, long beyond, long moving, long zero) {
      elements += all;
      saturated += beyond;
      withGradient += moving;
      vanished += zero;
    }
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
    long withGradient = 0;
    long lost = 0;
    double largest = Double.NaN;
    String largestParameter = "";
    Map<String, OfCodes> codes = new LinkedHashMap<>();
    for (OfParameter member : members) {
      double ownChange = member.sum(member.changes);
      double ownSize = member.sum(member.sizes);
      change += ownChange;
      size += ownSize;
      withGradient += member.withGradient;
      lost += member.lost;
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
          (slot, its) ->
              codes
                  .computeIfAbsent(slot, key -> new OfCodes())
                  .count(its.elements, its.saturated, its.withGradient, its.vanished));
    }
    List<StepReport.Codes> slots = new ArrayList<>();
    codes.forEach(
        (slot, its) ->
            slots.add(
                new StepReport.Codes(
                    slot,
                    share(its.saturated, its.elements),
                    share(its.vanished, its.withGradient))));
    return new StepReport.Update(
        name,
        Math.sqrt(change) / Math.sqrt(size),
        isStill ? Double.NaN : share(lost, withGradient),
        largest,
        largestParameter,
        slots);
  }

  /** NaN if there is nothing to have a share of. */
  private static double share(long part, long whole) {
    return (double) part / whole;
  }
}
