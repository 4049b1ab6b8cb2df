/** What a device must offer to the public API. Not for users of the library. */
package io.warmstep.backend;
