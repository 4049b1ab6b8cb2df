/**
 * Warmstep as the optimizer of models that DJL trains on its PyTorch engine: {@link
 * io.warmstep.djl.WarmstepOptimizer} where DJL takes an optimizer, {@link
 * io.warmstep.djl.ModelStep} to update a whole model in one pass.
 */
package io.warmstep.djl;
