/** The command line {@code warmstep}: train, verify and list devices. */
package io.warmstep.cli;
