package io.warmstep.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The names of PyTorch's flattened optimizer state, and its names of hyperparameters: {@code
 * weight_decay}, and {@code betas} for {@code beta1} and {@code beta2}.
 */
public final class PyTorchNames {
  /** Suffix of the name of the scales of state that is kept as codes. */
  public static final String SCALE = ".scale";

  /** Prefix of the names of a parameter's state. */
  public static final String STATE = "state.";

  /** Prefix of the names of a parameter's hyperparameters. */
  public static final String GROUPS = "param_groups.";

  /** Prefix of the names of a loss scaler's state, which are those of {@code GradScaler}. */
  public static final String SCALER = "grad_scaler.";

  /** The step count, next to a parameter's state. */
  public static final String STEP = "step";

  /** Settings with a longer name in PyTorch. */
  private static final Map<String, String> LONGER = Map.of("decoupled", "decoupled_weight_decay");

  private PyTorchNames() {}

  /**
   * Returns the tensor name of a state slot.
   *
   * @param parameter the parameter's name
   * @param slot such as {@code exp_avg}
   * @return such as {@code state.dense.weight.exp_avg}
   */
  public static String state(String parameter, String slot) {
    return STATE + parameter + "." + slot;
  }

  /**
   * Returns the tensor name of a hyperparameter.
   *
   * @param parameter the parameter's name
   * @param name PyTorch's name for it
   * @return such as {@code param_groups.dense.weight.lr}
   */
  public static String group(String parameter, String name) {
    return GROUPS + parameter + "." + name;
  }

  /**
   * Converts hyperparameters to PyTorch's form.
   *
   * @param settings numbers and booleans by the names that this library's rules use
   * @return numbers, booleans and {@code double[]} by PyTorch's names
   */
  public static Map<String, Object> fromSettings(Map<String, ?> settings) {
    Map<String, Object> named = new LinkedHashMap<>();
    settings.forEach(
        (name, value) -> {
          if (isListed(name) && value instanceof Number) {
            List<Double> list = new ArrayList<>();
            String single = name.substring(0, name.length() - 1);
            while (settings.get(single + (list.size() + 1)) instanceof Number element) {
              list.add(element.doubleValue());
            }
            named.put(name(name), list.stream().mapToDouble(Double::doubleValue).toArray());
          } else {
            named.put(name(name), value);
          }
        });
    return named;
  }

  /**
   * Returns the PyTorch name under which a rule's setting is found.
   *
   * @param setting such as {@code weightDecay} or {@code beta2}
   * @return such as {@code weight_decay} or {@code betas}
   */
  public static String name(String setting) {
    String single = isListed(setting) ? setting.substring(0, setting.length() - 1) + "s" : setting;
    return LONGER.getOrDefault(
        setting, single.replaceAll("(?=[A-Z])", "_").toLowerCase(Locale.ROOT));
  }

  /**
   * Returns the index of a setting within PyTorch's value for it.
   *
   * @param setting such as {@code beta2}
   * @return its index, 0 for a single value
   */
  public static int index(String setting) {
    return isListed(setting) ? setting.charAt(setting.length() - 1) - '1' : 0;
  }

  /** Settings that end in 1, 2 and so on are tuples in PyTorch: betas, etas, step_sizes. */
  private static boolean isListed(String setting) {
    char last = setting.charAt(setting.length() - 1);
    return last >= '1' && last <= '9';
  }
}
