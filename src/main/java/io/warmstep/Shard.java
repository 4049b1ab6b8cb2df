package io.warmstep;

/**
 * The part of a parameter that one worker updates.
 *
 * @param from its first element
 * @param count number of elements; 0 where the worker has nothing of the parameter
 */
public record Shard(long from, long count) {}
