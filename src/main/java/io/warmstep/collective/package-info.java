/**
 * Collective operations among workers, each on its own device: sums of their gradients, copies of
 * their parameters, and barriers. Workers are threads of one process, or processes on one or more
 * machines.
 *
 * <p>{@link io.warmstep.collective.Collective} is a worker's endpoint, {@link
 * io.warmstep.collective.Collectives} and {@link io.warmstep.collective.TcpEndpoint} create one,
 * and {@link io.warmstep.OptimizerBuilder#sharded} trains with it.
 */
package io.warmstep.collective;
