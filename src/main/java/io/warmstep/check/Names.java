package io.warmstep.check;

import java.util.Collection;

/** Lists of names in messages. */
public final class Names {
  private static final int SHOWN = 8;

  private Names() {}

  /**
   * Lists the first few names.
   *
   * @param names any number of them
   * @return at most eight, with commas between, and how many more there are; {@code none} without
   *     any
   */
  public static String abbreviated(Collection<String> names) {
    if (names.isEmpty()) {
      return "none";
    }
    String list = String.join(", ", names.stream().limit(SHOWN).toList());
    return names.size() <= SHOWN ? list : list + " and " + (names.size() - SHOWN) + " more";
  }
}
