/** Programs that show how Warmstep is used with DJL. */
package io.warmstep.djl.examples;
