/**
 * The public API: devices, tensors, parameters and the optimizer.
 *
 * <pre>{@code
 * try (Device device = Devices.fastest();
 *     Parameters parameters =
 *         Parameters.on(device).add("weight", new float[] {1, -2}).add("bias", new float[1]).build();
 *     Optimizer optimizer =
 *         Optimizer.of(parameters)
 *             .rule(Adam.adamW().weightDecay(0.01))
 *             .learningRate(Schedules.cosine(1e-3, 10_000).warmUp(500))
 *             .clipNorm(1)
 *             .build()) {
 *   for (int i = 0; i < 100; i++) {
 *     // Your backward pass computes the gradients, here of the sum of squares.
 *     parameters.get("weight").gradients().copyFrom(parameters.get("weight").values().toFloats());
 *     optimizer.step();
 *   }
 *   float[] trained = parameters.get("weight").values().toFloats();
 * }
 * }</pre>
 */
package io.warmstep;
