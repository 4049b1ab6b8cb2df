/** Replays golden files: what a reference implementation computed, step by step. */
package io.warmstep.cli.verify;
