/** The {@code bench} command: how close a step comes to the machine's memory bandwidth. */
package io.warmstep.cli.bench;
