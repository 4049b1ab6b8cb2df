/**
 * Reads and writes tensors and metadata in the safetensors format, which Python reads as it is.
 *
 * <p>A file is the length of a header as 8 bytes, the header as JSON, then the tensors' bytes
 * without gaps, all little-endian. This library's files have {@code format}, {@code version} and
 * {@code crc32c} in the header's metadata: see {@link io.warmstep.checkpoint.CheckpointWriter}.
 * Files from other programs have neither mark nor checksum and are read as plain tensors.
 *
 * <p>The JSON of headers is read and written here, in a page of code: the library has no
 * dependencies, and a general parser preserves neither duplicate keys nor the position of the
 * checksum, and builds a tree from a header before its sizes are checked.
 */
package io.warmstep.checkpoint;
