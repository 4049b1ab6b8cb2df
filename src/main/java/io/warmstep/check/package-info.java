/**
 * Checks of arguments and what their messages, of one form, share. Not for users of the library.
 */
package io.warmstep.check;
