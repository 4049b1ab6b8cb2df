package io.warmstep.rule;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Reads and sets hyperparameters of any rule by name. Rules are records, so their components are
 * the hyperparameters; a new rule needs nothing here.
 */
public final class RuleSettings {
  private RuleSettings() {}

  /**
   * Says whether a rule has a hyperparameter.
   *
   * @param rule the rule
   * @param name such as {@code beta1} or {@code weightDecay}
   * @return whether it does
   */
  public static boolean has(UpdateRule rule, String name) {
    return Arrays.stream(components(rule)).anyMatch(component -> component.getName().equals(name));
  }

  /**
   * Returns the value of a hyperparameter that is a number.
   *
   * @param rule the rule
   * @param name such as {@code beta2}
   * @return its value
   * @throws IllegalArgumentException if the rule has no such number
   */
  public static double number(UpdateRule rule, String name) {
    for (RecordComponent component : components(rule)) {
      if (component.getName().equals(name) && get(rule, component) instanceof Number value) {
        return value.doubleValue();
      }
    }
    throw new IllegalArgumentException("rule " + rule.name() + " has no " + name);
  }

  /**
   * Returns all hyperparameters of a rule.
   *
   * @param rule the rule
   * @return its values by name, in the order of the rule's components
   */
  public static Map<String, Object> values(UpdateRule rule) {
    Map<String, Object> values = new LinkedHashMap<>();
    for (RecordComponent component : components(rule)) {
      values.put(component.getName(), get(rule, component));
    }
    return values;
  }

  /**
   * Returns the rule with other hyperparameters.
   *
   * @param rule the rule to start from
   * @param values a {@link Number} or {@link Boolean} for each name
   * @return a rule of the same kind
   * @throws IllegalArgumentException if the rule has no such hyperparameter, or does not allow the
   *     value
   */
  public static UpdateRule with(UpdateRule rule, Map<String, ?> values) {
    for (String name : values.keySet()) {
      if (!has(rule, name)) {
        throw new IllegalArgumentException("rule " + rule.name() + " has no " + name);
      }
    }
    RecordComponent[] components = components(rule);
    Object[] arguments = new Object[components.length];
    Class<?>[] types = new Class<?>[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      Object value = values.get(components[i].getName());
      arguments[i] = value == null ? get(rule, components[i]) : convert(value, components[i]);
    }
    try {
      return rule.getClass().getConstructor(types).newInstance(arguments);
    } catch (InvocationTargetException e) {
      throw rethrow(e);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("rule " + rule.name() + " has no canonical constructor", e);
    }
  }

  private static Object convert(Object value, RecordComponent component) {
    if (component.getType() == double.class && value instanceof Number number) {
      return number.doubleValue();
    }
    if (component.getType() == long.class && value instanceof Number number) {
      return number.longValue();
    }
    if (component.getType() == int.class && value instanceof Number number) {
      return number.intValue();
    }
    if (component.getType() == boolean.class && value instanceof Boolean) {
      return value;
    }
    throw new IllegalArgumentException(
        component.getName() + " is " + value + ", must be a " + component.getType().getName());
  }

  private static Object get(UpdateRule rule, RecordComponent component) {
    try {
      return component.getAccessor().invoke(rule);
    } catch (InvocationTargetException e) {
      throw rethrow(e);
    } catch (IllegalAccessException e) {
      throw new IllegalStateException("rule " + rule.name() + " is not public", e);
    }
  }

  private static RecordComponent[] components(UpdateRule rule) {
    RecordComponent[] components = rule.getClass().getRecordComponents();
    return components == null ? new RecordComponent[0] : components;
  }

  private static RuntimeException rethrow(InvocationTargetException e) {
    if (e.getCause() instanceof RuntimeException cause) {
      return cause;
    }
    return new IllegalStateException(e.getCause());
  }
}
