package io.warmstep.cli.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The lengths of the parameter tensors of well-known models, in the order of their modules. */
public final class ModelShapes {
  private static final Map<String, List<Long>> BY_NAME = byName();

  private ModelShapes() {}

  private static Map<String, List<Long>> byName() {
    Map<String, List<Long>> models = new LinkedHashMap<>();
    models.put("resnet50", resNet50());
    models.put("gpt2", gpt2Small());
    return Collections.unmodifiableMap(models);
  }

  /**
   * Returns the models that a user can name.
   *
   * @return the lengths of each by its name
   */
  public static Map<String, List<Long>> all() {
    return BY_NAME;
  }

  /**
   * ResNet-50 for 1000 classes (He et al. 2016), as torchvision defines it: 161 tensors, 25,557,032
   * parameters.
   *
   * @return the length of each tensor
   */
  public static List<Long> resNet50() {
    List<Long> lengths = new ArrayList<>();
    convolution(lengths, 3, 64, 7);
    int[] blocks = {3, 4, 6, 3};
    int input = 64;
    for (int stage = 0; stage < blocks.length; stage++) {
      int width = 64 << stage;
      int output = 4 * width;
      for (int block = 0; block < blocks[stage]; block++) {
        convolution(lengths, input, width, 1);
        convolution(lengths, width, width, 3);
        convolution(lengths, width, output, 1);
        if (block == 0) {
          convolution(lengths, input, output, 1); // the shortcut
        }
        input = output;
      }
    }
    linear(lengths, input, 1000);
    return lengths;
  }

  /**
   * GPT-2 small (Radford et al. 2019), with the output tied to the token embedding: 148 tensors,
   * 124,439,808 parameters.
   *
   * @return the length of each tensor
   */
  public static List<Long> gpt2Small() {
    int width = 768;
    List<Long> lengths = new ArrayList<>();
    lengths.add(50257L * width); // token embedding
    lengths.add(1024L * width); // position embedding
    for (int layer = 0; layer < 12; layer++) {
      normalization(lengths, width);
      linear(lengths, width, 3 * width);
      linear(lengths, width, width);
      normalization(lengths, width);
      linear(lengths, width, 4 * width);
      linear(lengths, 4 * width, width);
    }
    normalization(lengths, width);
    return lengths;
  }

  private static void convolution(List<Long> lengths, int input, int output, int kernel) {
    lengths.add((long) input * output * kernel * kernel);
    normalization(lengths, output);
  }

  private static void linear(List<Long> lengths, int input, int output) {
    lengths.add((long) input * output);
    lengths.add((long) output);
  }

  private static void normalization(List<Long> lengths, int width) {
    lengths.add((long) width);
    lengths.add((long) width);
  }
}
