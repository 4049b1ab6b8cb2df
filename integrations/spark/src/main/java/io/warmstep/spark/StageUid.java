package io.warmstep.spark;

import org.apache.spark.ml.util.Identifiable$;

/**
 * The uid of a stage that is being constructed. MLlib's constructors ask for it before a field of
 * their subclass can have been set, since its parameters keep it.
 */
final class StageUid {
  private static final ThreadLocal<String> NEXT = new ThreadLocal<>();

  private StageUid() {}

  /** Keeps the uid of the stage that this thread constructs next; returns it. */
  static String hold(String uid) {
    NEXT.set(uid);
    return uid;
  }

  static String random(String prefix) {
    return Identifiable$.MODULE$.randomUID(prefix);
  }

  /** That of the stage under construction. */
  static String held() {
    return NEXT.get();
  }
}
