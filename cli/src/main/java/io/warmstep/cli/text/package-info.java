/** What the command line says of things that went wrong. */
package io.warmstep.cli.text;
