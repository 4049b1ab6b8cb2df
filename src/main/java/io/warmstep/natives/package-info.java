/** Loading the native libraries of others, and saying in few words why one could not be loaded. */
package io.warmstep.natives;
