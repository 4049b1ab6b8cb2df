/** Update rules by name, with their hyperparameters by name. */
package io.warmstep.cli.rules;
