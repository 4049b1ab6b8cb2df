package io.warmstep.spark;

import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** A model's float32 parameters by name, with their gradients. */
public final class ModelParameters implements Serializable {
  private static final long serialVersionUID = 1L;

  private final LinkedHashMap<String, float[]> values = new LinkedHashMap<>();
  private final LinkedHashMap<String, float[]> gradients = new LinkedHashMap<>();

  /**
   * Copies parameters.
   *
   * @param values by name; their order is that of the map
   */
  ModelParameters(Map<String, float[]> values) {
    values.forEach(
        (name, array) -> {
          this.values.put(name, array.clone());
          this.gradients.put(name, new float[array.length]);
        });
  }

  /**
   * The parameters' names.
   *
   * @return in the order in which they were given
   */
  public Set<String> names() {
    return values.keySet();
  }

  /**
   * The values of a parameter.
   *
   * @param name the parameter's name
   * @return to be read; the same array each time
   * @throws IllegalArgumentException if there is no such parameter
   */
  public float[] values(String name) {
    return get(values, name);
  }

  /**
   * The gradients of a parameter.
   *
   * @param name the parameter's name
   * @return to be written; the same array each time
   * @throws IllegalArgumentException if there is no such parameter
   */
  public float[] gradients(String name) {
    return get(gradients, name);
  }

  private static float[] get(Map<String, float[]> of, String name) {
    float[] array = of.get(name);
    if (array == null) {
      throw new IllegalArgumentException(
          "there is no parameter \"" + name + "\": there are " + of.keySet());
    }
    return array;
  }

  void zeroGradients() {
    gradients.values().forEach(array -> Arrays.fill(array, 0));
  }

  /**
   * A hash of names and values, to compare models by.
   *
   * @return SHA-256 in hexadecimal digits
   */
  public String bits() {
    try {
      MessageDigest hash = MessageDigest.getInstance("SHA-256");
      for (Map.Entry<String, float[]> parameter : values.entrySet()) {
        hash.update(parameter.getKey().getBytes(StandardCharsets.UTF_8));
        ByteBuffer bytes = ByteBuffer.allocate(parameter.getValue().length * Float.BYTES);
        bytes.asFloatBuffer().put(parameter.getValue());
        hash.update(bytes);
      }
      return HexFormat.of().formatHex(hash.digest());
    } catch (NoSuchAlgorithmException e) { // every JDK has it
      throw new IllegalStateException(e);
    }
  }
}
