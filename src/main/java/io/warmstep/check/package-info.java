/**
 * Checks of arguments, whose messages have one form, and the choice of cases that checks go
 * through. Not for users of the library.
 */
package io.warmstep.check;
