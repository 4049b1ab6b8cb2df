package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.cli.data.DataSets;
import io.warmstep.cli.data.Split;
import io.warmstep.schedule.FitVerdict.Fit;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TrainerTest {
  private static final Trainer.Listener SILENT = new Trainer.Listener() {};

  private record Trained(History history, Fit fit) {
    History.Point last() {
      return history.last();
    }
  }

  private static Trained train(double fraction, int epochs, double rate, long seed)
      throws IOException {
    Split split = Split.of(DataSets.digits(), fraction, seed);
    Mlp model = new Mlp(64, List.of(128), 10, seed);
    Trainer trainer = new Trainer(model, split, 32, epochs, seed);
    long warmUp = Math.min(100, trainer.steps() / 10);
    PlainAdam adam =
        new PlainAdam(model, PlainAdam.warmUpThenCosine(rate, warmUp, trainer.steps()));
    History history = trainer.run(adam, SILENT);
    double[] testLosses = model.losses(split.test());
    return new Trained(history, RunVerdict.of(history, Baselines.of(split), testLosses).fit());
  }

  @Test
  void usualRateLearnsTheDigits() throws IOException {
    Trained trained = train(0.8, 60, 0.003, 0);
    double accuracy = trained.last().test().accuracy();
    assertTrue(accuracy >= 0.97, "test accuracy " + accuracy);
    assertEquals(Fit.APPROPRIATE, trained.fit());
  }

  @Test
  void farTooLowRateIsUnderFitting() throws IOException {
    assertEquals(Fit.UNDER_FITTING, train(0.8, 20, 1e-6, 0).fit());
  }

  @Test
  void fewRowsAndManyEpochsAreOverFitting() throws IOException {
    assertEquals(Fit.OVER_FITTING, train(0.03, 200, 0.003, 0).fit());
  }

  @Test
  void sameSeedGivesTheSameNumbersToTheLastDigit() throws IOException {
    Trained first = train(0.5, 3, 0.003, 11);
    List<History.Point> points = train(0.5, 3, 0.003, 11).history().points();
    assertEquals(first.history().points(), points);
    assertNotEquals(first.last(), train(0.5, 3, 0.003, 12).last());
  }

  @Test
  void everyTrainingRowIsUsedOnceAnEpoch() throws IOException {
    Split split = Split.of(DataSets.digits(), 0.7, 1);
    Mlp model = new Mlp(64, List.of(4), 10, 1);
    Trainer trainer = new Trainer(model, split, 100, 2, 1);
    int rows = split.train().rows();
    assertEquals((rows + 99) / 100, trainer.stepsPerEpoch());
    assertEquals(2L * trainer.stepsPerEpoch(), trainer.steps());
    List<Long> steps = new ArrayList<>();
    List<Integer> epochs = new ArrayList<>();
    List<Double> reported = new ArrayList<>();
    Trainer.Update frozen =
        new Trainer.Update() {
          @Override
          public double step() {
            return 0.5;
          }

          @Override
          public void report(double trainLoss) {
            reported.add(trainLoss);
          }
        };
    History history =
        trainer.run(
            frozen,
            new Trainer.Listener() {
              @Override
              public void onStep(long step) {
                steps.add(step);
              }

              @Override
              public void onEpoch(int epoch, History.Point point) {
                epochs.add(epoch);
              }
            });
    assertEquals(trainer.steps(), steps.size());
    assertEquals(trainer.steps(), history.steps());
    assertEquals(List.of(1, 2), epochs);
    assertEquals(3, history.points().size());
    assertEquals(0.5, history.rate(history.steps()));
    // A model that never changes is as good after as before.
    assertEquals(history.points().get(0).train(), history.last().train());
    assertEquals(List.of(history.last().train().loss(), history.last().train().loss()), reported);
  }

  @Test
  void divergenceStopsTheRun() throws IOException {
    Split split = Split.of(DataSets.digits(), 0.5, 1);
    Mlp model = new Mlp(64, List.of(4), 10, 1);
    Trainer trainer = new Trainer(model, split, 50, 1, 1);
    Trainer.Update breaking =
        () -> {
          model.parameters().get(1).values()[2] = Float.NaN;
          return 0.25;
        };
    Exception e =
        assertThrows(TrainingDivergedException.class, () -> trainer.run(breaking, SILENT));
    assertTrue(e.getMessage().contains("NaN at step 2"), e.getMessage());
    assertTrue(e.getMessage().contains("0.25"), e.getMessage());
  }

  @Test
  void batchAndEpochsAreChecked() throws IOException {
    Split split = Split.of(DataSets.digits(), 0.5, 1);
    Mlp model = new Mlp(64, List.of(4), 10, 1);
    assertThrows(IllegalArgumentException.class, () -> new Trainer(model, split, 0, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new Trainer(model, split, 1, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> new Trainer(model, split, 1, 0, 1, 1));
  }
}
