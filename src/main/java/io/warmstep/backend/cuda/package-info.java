/** The CUDA backend, through JCuda's driver API and kernels that were compiled beforehand. */
package io.warmstep.backend.cuda;
