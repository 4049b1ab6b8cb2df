package io.warmstep;

/**
 * What an optimizer reports of one step. Made by the library and read by listeners: later versions
 * add components, so read them by name and do not call the constructor.
 *
 * @param step the steps that happened so far, this one included; a skipped step does not count
 * @param learningRate the rate that the last step used, before the groups' factors; NaN before the
 *     first step
 * @param loss the last loss given to {@link Optimizer#reportLoss}, or NaN if none was
 * @param gradientNorm the global norm of this step's gradients, unscaled and before clipping; NaN
 *     if the optimizer neither clips by norm nor skips non-finite gradients
 * @param clipRate of the steps reported so far, the share whose gradients were clipped by norm;
 *     with an interval of 1 that is the share of all steps. NaN if the optimizer does not clip by
 *     norm
 * @param skippedSteps how many steps were skipped so far for a non-finite gradient
 */
public record StepReport(
    long step,
    double learningRate,
    double loss,
    double gradientNorm,
    double clipRate,
    long skippedSteps) {}
