package io.warmstep.djl;

import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import java.util.List;
import java.util.Map;

/** Where the arrays come from: a trainer, or a test. */
interface ParameterSource {
  Block block();

  /** What goes on from step to step. */
  Object trainer();

  /** Throws if the source is closed. */
  void checkOpen();

  /** The arrays of those of the named parameters that are trained at present. */
  List<Replicas> trained(Map<String, Parameter> named);

  /** Notes that a step took place, begun at a time of {@link System#nanoTime()}. */
  void stepped(long begin);
}
