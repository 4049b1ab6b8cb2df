/** The data sets of the command line: reading, checking, splitting and scaling. */
package io.warmstep.cli.data;
