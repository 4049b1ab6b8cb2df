/** The optimizer lab: runs that show what the learning rate does, and the page that shows them. */
package io.warmstep.cli.lab;
