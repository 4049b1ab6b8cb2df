package io.warmstep.cli.lab;

import io.warmstep.cli.data.DataSet;
import io.warmstep.cli.train.LearningRate;
import io.warmstep.rule.UpdateRule;
import java.util.List;

/**
 * All that decides a training run.
 *
 * @param train the rows to train on
 * @param validation the rows that training never sees
 * @param hidden sizes of the hidden layers
 * @param rule how parameters are updated
 * @param rate the learning rate of each step
 * @param batch rows of a minibatch
 * @param seed of the first weights and of the order of the rows
 */
record RunSetup(
    DataSet train,
    DataSet validation,
    List<Integer> hidden,
    UpdateRule rule,
    LearningRate rate,
    int batch,
    long seed) {

  RunSetup rate(LearningRate other) {
    return new RunSetup(train, validation, hidden, rule, other, batch, seed);
  }

  RunSetup rule(UpdateRule other) {
    return new RunSetup(train, validation, hidden, other, rate, batch, seed);
  }

  RunSetup hidden(List<Integer> other) {
    return new RunSetup(train, validation, other, rule, rate, batch, seed);
  }

  RunSetup train(DataSet other) {
    return new RunSetup(other, validation, hidden, rule, rate, batch, seed);
  }

  RunSetup batch(int other) {
    return new RunSetup(train, validation, hidden, rule, rate, other, seed);
  }

  RunSetup seed(long other) {
    return new RunSetup(train, validation, hidden, rule, rate, batch, other);
  }
}
