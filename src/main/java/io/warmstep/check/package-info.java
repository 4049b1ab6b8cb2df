/**
 * Checks of arguments, what their messages, of one form, share, and the choice of cases that checks
 * go through. Not for users of the library.
 */
package io.warmstep.check;
