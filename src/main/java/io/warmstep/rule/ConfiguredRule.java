package io.warmstep.rule;

import java.util.Map;

/**
 * A rule of this library: immutable, with its hyperparameters in one record that is not public, so
 * that an option can be added without breaking callers that create the rule. Rules with equal
 * hyperparameters are equal.
 *
 * @param <S> the record, which validates
 * @param <R> the rule itself
 */
abstract class ConfiguredRule<S extends Record, R extends UpdateRule> implements UpdateRule {
  final S settings;

  ConfiguredRule(S settings) {
    this.settings = settings;
  }

  /** The same rule with other hyperparameters. */
  abstract R copy(S settings);

  /** The same rule with another value of one hyperparameter. */
  final R with(String name, Object value) {
    return with(Map.of(name, value));
  }

  final R with(Map<String, ?> values) {
    return copy(RuleSettings.copy(settings, values));
  }

  @Override
  public final boolean equals(Object other) {
    return other instanceof ConfiguredRule<?, ?> that
        && getClass() == that.getClass()
        && settings.equals(that.settings);
  }

  @Override
  public final int hashCode() {
    return settings.hashCode();
  }

  /** The rule's class and its hyperparameters. */
  @Override
  public final String toString() {
    return settings.toString().replaceFirst("Settings", getClass().getSimpleName());
  }
}
