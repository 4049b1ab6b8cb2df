/** Update rules: hyperparameters, state slots and the Java form of the math. */
package io.warmstep.rule;
