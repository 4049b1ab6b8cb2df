package io.warmstep.collective;

import io.warmstep.check.Arguments;
import java.util.List;

/**
 * A base for collectives that do something beside the operations of another, such as measuring
 * them. Forwards everything that a transport implements; the remaining methods of {@link
 * Collective} call these, so that a subclass sees them all.
 */
public abstract class ForwardingCollective implements Collective {
  private final Collective target;

  /**
   * Wraps a collective.
   *
   * @param target performs the operations, and closes with this one
   */
  protected ForwardingCollective(Collective target) {
    Arguments.requirePresent("target", target, "pass a collective");
    this.target = target;
  }

  @Override
  public int rank() {
    return target.rank();
  }

  @Override
  public int size() {
    return target.size();
  }

  @Override
  public void reduceScatter(List<Share> shares) {
    target.reduceScatter(shares);
  }

  @Override
  public void reduceScatter(LaneTree tree, List<LaneShare> shares) {
    target.reduceScatter(tree, shares);
  }

  @Override
  public void allGather(List<Share> shares) {
    target.allGather(shares);
  }

  @Override
  public boolean movesMeanwhile() {
    return target.movesMeanwhile();
  }

  @Override
  public Gathering gather(List<Share> shares) {
    return target.gather(shares);
  }

  /**
   * A gathering that is one {@link #allGather} of this collective, at its end: for a subclass whose
   * {@link #gather} should send nothing before.
   *
   * @param shares as for {@link #gather}
   * @return the gathering
   */
  protected final Gathering gatherAtEnd(List<Share> shares) {
    return Collective.super.gather(shares);
  }

  @Override
  public List<byte[]> exchange(byte[] message) {
    return target.exchange(message);
  }

  @Override
  public void close() {
    target.close();
  }

  @Override
  public String toString() {
    return target.toString();
  }
}
