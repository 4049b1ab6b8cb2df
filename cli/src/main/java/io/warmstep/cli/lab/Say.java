package io.warmstep.cli.lab;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Locale;

/** How the lab writes numbers in its sentences. */
final class Say {
  private Say() {}

  /** Three digits, such as 0.00316 or 1.5e-7. */
  static String number(double value) {
    if (Double.isNaN(value)) {
      return "unknown";
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "infinite" : "-infinite";
    }
    BigDecimal digits = new BigDecimal(value).round(new MathContext(3)).stripTrailingZeros();
    double size = Math.abs(value);
    return size == 0 || (size >= 1e-5 && size < 1e6)
        ? digits.toPlainString()
        : String.format(Locale.ROOT, "%s", digits.doubleValue()).replace("E", "e");
  }

  /** A loss with three decimals, or what became of it. */
  static String loss(double value) {
    return Double.isFinite(value) ? String.format(Locale.ROOT, "%.3f", value) : "not finite";
  }

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  /** "1 run", "3 runs". */
  static String count(long count, String thing) {
    return String.format(Locale.ROOT, "%,d %s%s", count, thing, count == 1 ? "" : "s");
  }

  /** How many times one is another: "about 30 times", "1.5 times". */
  static String times(double factor) {
    return factor >= 10
        ? String.format(Locale.ROOT, "about %,.0f times", factor)
        : number(Math.round(factor * 10) / 10.0) + " times";
  }

  /** A rate on the grid that people use: rounded to two digits. */
  static double rounded(double rate) {
    return rate == 0 ? 0 : new BigDecimal(rate).round(new MathContext(2)).doubleValue();
  }

  /** With a capital and a full stop. */
  static String sentence(String text) {
    String capital = Character.toUpperCase(text.charAt(0)) + text.substring(1);
    return capital.endsWith(".") ? capital : capital + ".";
  }
}
