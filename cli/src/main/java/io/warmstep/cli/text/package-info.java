/** What the command line says of things that went wrong, and of itself. */
package io.warmstep.cli.text;
