/**
 * What every backend shares of a step: its options and its inputs. Not for users of the library.
 */
package io.warmstep.step;
