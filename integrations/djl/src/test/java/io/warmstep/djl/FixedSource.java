package io.warmstep.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import java.util.List;
import java.util.Map;

/** One parameter with given arrays, one for each device that a trainer would have. */
record FixedSource(Block block, String name, NDArray... arrays) implements ParameterSource {
  @Override
  public Object trainer() {
    return arrays;
  }

  @Override
  public void checkOpen() {}

  @Override
  public List<Replicas> trained(Map<String, Parameter> named) {
    return List.of(new Replicas(named.get(name).getId(), name, arrays));
  }

  @Override
  public void stepped(long begin) {}
}
