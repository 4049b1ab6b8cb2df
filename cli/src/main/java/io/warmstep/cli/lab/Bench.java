package io.warmstep.cli.lab;

import com.google.gson.JsonObject;
import io.warmstep.cli.train.Baselines;

/**
 * What every study has at hand.
 *
 * @param task what is looked at
 * @param baselines what simple methods reach on the task's data
 * @param plan how much is done
 * @param work where runs are done
 * @param findings what was found so far
 * @param recorder keeps the histories for the event files
 * @param timings what was measured in time
 */
record Bench(
    LabTask task,
    Baselines baselines,
    LabPlan plan,
    Workbench work,
    Findings findings,
    Recorder recorder,
    JsonObject timings) {}
