/** The public API: devices, tensors, parameters and the optimizer. */
package io.warmstep;
