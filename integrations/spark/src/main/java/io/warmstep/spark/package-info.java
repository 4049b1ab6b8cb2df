/**
 * Training of one model by the tasks of a Spark stage. {@link io.warmstep.spark.SparkTraining}
 * takes rows, parameters and a function that computes gradients; Spark brings the rows, has the
 * tasks find each other and starts them anew if one fails, and the tasks add up their gradients
 * among themselves. {@link io.warmstep.spark.MlpClassifier} is an estimator of MLlib's on top of
 * it.
 *
 * @serial exclude
 */
package io.warmstep.spark;
