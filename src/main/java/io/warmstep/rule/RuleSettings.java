package io.warmstep.rule;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Reads and sets hyperparameters of any rule by name. This library's rules hold them in a record;
 * third-party rules may be public records. New rules need no change here.
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
    return rule instanceof Lookahead around
        ? around.settings().containsKey(name)
        : Arrays.stream(components(rule)).anyMatch(component -> component.getName().equals(name));
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
    if (values(rule).get(name) instanceof Number value) {
      return value.doubleValue();
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
    if (rule instanceof Lookahead around) {
      return around.settings();
    }
    Map<String, Object> values = new LinkedHashMap<>();
    for (RecordComponent component : components(rule)) {
      values.put(component.getName(), get(record(rule), component));
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
    if (rule instanceof Lookahead around) {
      return around.with(values);
    }
    if (rule instanceof ConfiguredRule<?, ?> ours) {
      return ours.with(values);
    }
    return rule instanceof Record record ? (UpdateRule) copy(record, values) : rule;
  }

  /** A record with other values for some of its existing components. */
  @SuppressWarnings("unchecked") // it is created by the constructor of the record's own class
  static <T extends Record> T copy(T record, Map<String, ?> values) {
    RecordComponent[] components = record.getClass().getRecordComponents();
    Object[] arguments = new Object[components.length];
    Class<?>[] types = new Class<?>[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      Object value = values.get(components[i].getName());
      arguments[i] = value == null ? get(record, components[i]) : convert(value, components[i]);
    }
    try {
      return (T) record.getClass().getDeclaredConstructor(types).newInstance(arguments);
    } catch (InvocationTargetException e) {
      throw rethrow(e);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(record.getClass() + " has no canonical constructor", e);
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

  private static Object get(Record record, RecordComponent component) {
    try {
      return component.getAccessor().invoke(record);
    } catch (InvocationTargetException e) {
      throw rethrow(e);
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(record.getClass() + " is not public", e);
    }
  }

  /** The record whose components are a rule's hyperparameters; null for a rule without one. */
  private static Record record(UpdateRule rule) {
    if (rule instanceof ConfiguredRule<?, ?> ours) {
      return ours.settings;
    }
    return rule instanceof Record record ? record : null;
  }

  private static RecordComponent[] components(UpdateRule rule) {
    Record record = record(rule);
    return record == null ? new RecordComponent[0] : record.getClass().getRecordComponents();
  }

  private static RuntimeException rethrow(InvocationTargetException e) {
    if (e.getCause() instanceof RuntimeException cause) {
      return cause;
    }
    return new IllegalStateException(e.getCause());
  }
}
