/** The classifier that the command line trains: model, training loop, verdict and plot. */
package io.warmstep.cli.train;
