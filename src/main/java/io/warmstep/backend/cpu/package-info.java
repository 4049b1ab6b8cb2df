/** The CPU backend in plain Java, whose loops the JIT compiler vectorizes. */
package io.warmstep.backend.cpu;
