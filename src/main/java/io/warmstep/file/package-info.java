/** Files that appear whole or not at all. Not for users of the library. */
package io.warmstep.file;
