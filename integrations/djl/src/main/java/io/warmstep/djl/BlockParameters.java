package io.warmstep.djl;

import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import io.warmstep.check.Names;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The parameters of a block by the names that it has for them, such as {@code 01Linear_weight}. */
final class BlockParameters {
  private BlockParameters() {}

  /**
   * Names the parameters. One that appears under several names keeps the first.
   *
   * @throws IllegalArgumentException if different parameters have the same name, which DJL allows:
   *     it joins the names of blocks and parameters by underscores that either may have too
   */
  static Map<String, Parameter> named(Block block) {
    Map<String, Parameter> named = new LinkedHashMap<>();
    Set<String> ids = new HashSet<>();
    List<String> clashes = new ArrayList<>();
    for (Pair<String, Parameter> pair : block.getParameters()) {
      Parameter parameter = pair.getValue();
      if (parameter != null && ids.add(parameter.getId())) {
        Parameter other = named.putIfAbsent(pair.getKey(), parameter);
        if (other != null) {
          clashes.add(
              "\"" + pair.getKey() + "\" is " + describe(other) + " and " + describe(parameter));
        }
      }
    }
    if (!clashes.isEmpty()) {
      throw new IllegalArgumentException(
          "different parameters of the block have the same name: "
              + Names.abbreviated(clashes)
              + "; rename one of them, or the block that has it");
    }
    return named;
  }

  private static String describe(Parameter parameter) {
    return parameter.getType().name().toLowerCase(Locale.ROOT)
        + " "
        + parameter.getName()
        + (parameter.isInitialized() ? " of shape " + parameter.getShape() : "");
  }
}
