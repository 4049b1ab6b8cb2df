package intruder;

import io.warmstep.backend.Backend;

/** Must not compile. */
final class Main {
  private Main() {}

  static String name(Backend backend) {
    return backend.name();
  }
}
