/** Measurements against DJL's own optimizers. */
package io.warmstep.djl.bench;
