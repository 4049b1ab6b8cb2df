/** Elementary functions with the same bits everywhere. Not for users of the library. */
package io.warmstep.math;
