package io.warmstep.cli.text;

import java.util.Optional;

/** The version of the command line. */
public final class ProgramVersion {
  private ProgramVersion() {}

  /**
   * The version of the jar that runs.
   *
   * @return as in 0.1.0, or nothing if it is no jar
   */
  public static Optional<String> ofJar() {
    Module module = ProgramVersion.class.getModule();
    // A module's packages lack the manifest's attributes; its version is in the name of its jar.
    return module.isNamed()
        ? module.getDescriptor().rawVersion()
        : Optional.ofNullable(ProgramVersion.class.getPackage().getImplementationVersion());
  }
}
