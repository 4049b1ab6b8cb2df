/**
 * OpenCL 1.2 devices through JOCL. Only {@link io.warmstep.backend.opencl.OpenClBackend} can be
 * loaded without JOCL on the class path.
 */
package io.warmstep.backend.opencl;
