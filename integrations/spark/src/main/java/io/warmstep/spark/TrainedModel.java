package io.warmstep.spark;

import java.io.Serializable;

/**
 * What came out of a training.
 *
 * @param parameters with their last values
 * @param steps how many happened
 * @param loss the mean over the rows of the last epoch, each before the step that it was part of;
 *     NaN if none was taken
 */
public record TrainedModel(ModelParameters parameters, long steps, double loss)
    implements Serializable {}
