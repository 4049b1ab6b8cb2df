/**
 * Tensors and what belongs to them in files of the safetensors format, which Python reads as they
 * are.
 *
 * <p>A file is the length of a header as 8 bytes, the header as JSON, then the tensors' bytes one
 * after the other without gaps, all little-endian. Files of this library's have {@code format},
 * {@code version} and {@code crc32c} in the header's metadata: see {@link
 * io.warmstep.checkpoint.CheckpointWriter}. Those of others have neither mark nor checksum, and are
 * read as the tensors that they are.
 *
 * <p>The JSON of headers is read and written here, in a page of code: the library has no
 * dependencies, and a general parser keeps neither duplicate keys nor the place of the checksum,
 * and builds a tree of a header before its size is known to make sense.
 */
package io.warmstep.checkpoint;
