/**
 * Learning-rate schedules: functions from the number of an optimizer step, counted from 1, to the
 * learning rate of that step.
 *
 * <p>{@link io.warmstep.schedule.Schedules} makes the basic ones; the methods of {@link
 * io.warmstep.schedule.Schedule} compose them. Schedules are closed forms, so steps may be queried
 * in any order, a resumed run needs only its step number, and a call allocates nothing. The
 * exceptions are {@link io.warmstep.schedule.PlateauSchedule}, which follows a metric, and {@link
 * io.warmstep.schedule.RangeTest}, which keeps the losses that are reported to it.
 *
 * <p>Other classes choose and judge schedules from the losses of a run: {@link
 * io.warmstep.schedule.RangeTest} finds a learning rate, {@link io.warmstep.schedule.EarlyStopping}
 * says when to stop, {@link io.warmstep.schedule.FitVerdict} whether the model under- or over-fits.
 *
 * <p>Transcendental functions come from {@link StrictMath}, so a schedule yields the same bits on
 * every machine.
 */
package io.warmstep.schedule;
