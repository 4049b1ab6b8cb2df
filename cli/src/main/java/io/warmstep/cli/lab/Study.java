package io.warmstep.cli.lab;

/** A part of the lab: does runs and makes a section of the page of them. */
interface Study {
  /** What the progress bar says. */
  String name();

  /** About how many steps it takes. */
  long steps();

  /** Does the runs. */
  Section run();
}
