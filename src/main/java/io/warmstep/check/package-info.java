/** Checks of arguments, whose messages have one form. Not for users of the library. */
package io.warmstep.check;
