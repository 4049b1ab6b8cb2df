/** How elements lie in memory, an object for each way. Not for users of the library. */
package io.warmstep.storage;
