package io.warmstep.testkit;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Whole powers in decimal arithmetic of 60 digits, rounded once to double. */
final class ExactPower {
  private static final MathContext DIGITS = new MathContext(60);
  private static final Map<Power, Double> KNOWN = new ConcurrentHashMap<>();

  private ExactPower() {}

  private record Power(double base, long exponent) {
    double value() {
      return new BigDecimal(base).pow(Math.toIntExact(exponent), DIGITS).doubleValue();
    }
  }

  static double of(double base, long exponent) {
    return KNOWN.computeIfAbsent(new Power(base, exponent), Power::value);
  }
}
