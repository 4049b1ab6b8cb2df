package io.warmstep.djl;

import java.util.Collection;

/** Lists of names in messages. */
final class Names {
  private static final int SHOWN = 8;

  private Names() {}

  static String abbreviated(Collection<String> names) {
    String list = String.join(", ", names.stream().limit(SHOWN).toList());
    return names.size() <= SHOWN ? list : list + " and " + (names.size() - SHOWN) + " more";
  }
}
