package io.warmstep.rule;

/**
 * The weights to evaluate a model with where they differ from the training weights: a point on the
 * line through the parameters and a slot of their state, {@code x = p + weight * (s - p)}.
 *
 * @param slot the name of a slot with a value for each element
 * @param weight 0 for the parameter, 1 for the slot
 */
public record EvaluationWeights(String slot, double weight) {}
