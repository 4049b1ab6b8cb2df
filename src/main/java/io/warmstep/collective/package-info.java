/**
 * Work that several workers do together, each on a device of its own: sums of their gradients,
 * copies of their parameters, and waiting for each other. Workers are threads of one process or
 * processes on one or more machines.
 *
 * <p>{@link io.warmstep.collective.Collective} is what a worker sees, {@link
 * io.warmstep.collective.Collectives} and {@link io.warmstep.collective.TcpEndpoint} make one, and
 * {@link io.warmstep.OptimizerBuilder#sharded} trains with it.
 */
package io.warmstep.collective;
