package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FitTest {
  /** A run that ends with these accuracies; its losses after each epoch, the untrained first. */
  private static History run(
      double trainAccuracy, double testAccuracy, double[] trainLosses, double[] testLosses) {
    History history = new History();
    for (int epoch = 0; epoch < trainLosses.length; epoch++) {
      history.addEvaluation(
          new Mlp.Evaluation(trainLosses[epoch], trainAccuracy),
          new Mlp.Evaluation(testLosses[epoch], testAccuracy));
      history.addStep(0.1);
    }
    return history;
  }

  private static double[] losses(double... losses) {
    return losses;
  }

  @ParameterizedTest
  @CsvSource({
    "0.9499, 0.2,    under-fitting",
    "0.9499, 0.9499, under-fitting",
    "0.95,   0.95,   appropriate",
    "1.0,    0.97,   appropriate",
    "0.96,   0.99,   appropriate",
    "1.0,    0.9499, over-fitting",
    "0.95,   0.5,    over-fitting",
    "NaN,    0.5,    under-fitting",
  })
  void verdictFollowsTheAccuracies(double train, double test, String verdict) {
    assertEquals(verdict, Fit.of(run(train, test, losses(1, 0.1), losses(1, 0.1))).toString());
  }

  @ParameterizedTest
  @CsvSource({
    "0.09,  1.36,  over-fitting", // sure of its wrong answers
    "0.21,  0.43,  over-fitting",
    "0.16,  0.35,  appropriate", // more than twice, but by less than 0.2
    "0.001, 0.1,   appropriate", // a tiny loss that is still small
    "0.5,   0.9,   appropriate", // more than 0.2, but less than twice
    "0.3,   0.3,   appropriate",
    "0.3,   NaN,   appropriate",
  })
  void verdictFollowsTheRiseOfTheTestLoss(double least, double last, String verdict) {
    History history = run(1, 0.98, losses(2, 0.5, 0.1, 0.01), losses(2, 0.7, least, last));
    assertEquals(verdict, Fit.of(history).toString());
    List<String> notes = FitNotes.of(history);
    assertEquals(verdict.equals("over-fitting") ? 1 : 0, notes.size(), notes.toString());
  }

  @Test
  void aRiseOfTheTestLossIsToldWithItsEpoch() {
    String note =
        FitNotes.of(run(1, 0.98, losses(2, 0.5, 0.1, 0.01), losses(2, 0.09, 0.5, 1.36))).get(0);
    assertTrue(
        note.startsWith("the test loss rose from its least, 0.0900 after epoch 1, to 1.3600"),
        note);
    note = FitNotes.of(run(1, 0.98, losses(2, 0.01), losses(2, 30))).get(0);
    assertTrue(note.contains("2.0000 before the training"), note);
  }

  @Test
  void aTrainingLossAboveItsStartMeansAHighRateWhateverTheVerdict() {
    for (double accuracy : new double[] {0.1, 0.99}) {
      List<String> notes = FitNotes.of(run(accuracy, accuracy, losses(2.5, 9, 4), losses(1, 1, 1)));
      assertEquals(
          List.of(
              "the training loss rose from 2.5000 to 4.0000: the learning rate may be too high"),
          notes);
    }
  }

  @Test
  void anUnderFittingRunIsToldWhichWayTheRateMayBeWrong() {
    double[] flat = {2, 2, 2, 2, 2};
    List<String> high = FitNotes.of(run(0.3, 0.3, losses(2, 1.4, 1.6, 1.5, 1.7), flat));
    assertEquals(1, high.size());
    assertTrue(high.get(0).contains("may be too high"), high.toString());
    List<String> low = FitNotes.of(run(0.3, 0.3, losses(2, 1.9, 1.8, 1.7, 1.6), flat));
    assertEquals(1, low.size());
    assertTrue(low.get(0).contains("may be too low"), low.toString());
    assertEquals(List.of(), FitNotes.of(run(0.3, 0.3, flat, flat)), "a rate of zero");
    assertEquals(List.of(), FitNotes.of(run(0.96, 0.96, losses(2, 1, 0.1, 0.2, 0.1), flat)));
  }
}
