package io.warmstep.cli.lab;

import java.util.Locale;

/** What the rate can be mapped against. */
public enum MapSetting {
  /** Weight decay, which every rule has. */
  WEIGHT_DECAY(0, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1),
  /** Momentum, for rules that have it. */
  MOMENTUM(0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99),
  /** The rows of a minibatch. */
  BATCH(4, 8, 16, 32, 64, 128, 256);

  @SuppressWarnings("ImmutableEnumChecker") // never written
  private final double[] values;

  MapSetting(double... values) {
    this.values = values;
  }

  double value(int i) {
    return values[i];
  }

  String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** Returns the name as the user writes it, such as {@code weight-decay}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
