package io.warmstep.schedule;

import static io.warmstep.schedule.FitVerdict.Fit.APPROPRIATE;
import static io.warmstep.schedule.FitVerdict.Fit.OVER_FITTING;
import static io.warmstep.schedule.FitVerdict.Fit.UNDER_FITTING;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.FitVerdict.Fit;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What {@link FitVerdict} says at its bounds. Chance is 100, so that losses differ clearly by more
 * than exactly 3, and far by more than exactly 10.
 */
class FitBoundsTest {
  private static final double NAN = Double.NaN;
  private static final double INFINITE = Double.POSITIVE_INFINITY;

  private static final String FLATTENED = "the training loss has flattened";
  private static final String GOING_ON = "the training loss was still falling";
  private static final String UNSTEADY = "the training loss did not fall steadily";

  private static double[] losses(double... losses) {
    return losses;
  }

  private static FitVerdict.Builder run(double[] training, double[] validation) {
    return FitVerdict.of(training, validation).chance(100, NAN);
  }

  private static void expect(Fit fit, String reason, FitVerdict verdict) {
    assertEquals(fit, verdict.fit(), verdict.toString());
    assertTrue(verdict.reason().contains(reason), verdict.toString());
  }

  private static void expectAdvice(FitVerdict verdict, String... starts) {
    List<String> advice = verdict.advice();
    assertEquals(starts.length, advice.size(), verdict.toString());
    for (int i = 0; i < starts.length; i++) {
      assertTrue(advice.get(i).startsWith(starts[i]), verdict.toString());
    }
  }

  @Test
  void learnedIsClearlyBelowChance() {
    expect(UNDER_FITTING, "hardly better", run(losses(97), losses(97)).judge());
    expect(APPROPRIATE, "flattened at 96.5000", run(losses(96.5), losses(96.5)).judge());
  }

  @Test
  void withoutChanceTheFirstValidationLossIsItUnlessItIsNone() {
    expect(OVER_FITTING, "rose", FitVerdict.of(losses(1, 0.5), losses(0, 0.5)).judge());
    expect(APPROPRIATE, "", FitVerdict.of(losses(1, 0.5), losses(INFINITE, 0.5)).judge());
  }

  @Test
  void theValidationLossTurnsWhereItRisesFarWhileTheOtherFalls() {
    double[] far = {100, 40, 50};
    FitVerdict verdict = run(losses(100, 60, 50), far).judge();
    expect(APPROPRIATE, "has flattened at 50.0000", verdict);
    expectAdvice(verdict, "the validation loss was least after evaluation 1, 40.0000");
    expect(OVER_FITTING, "rose", run(losses(100, 60, 50), losses(100, 39, 50)).judge());
    expect(APPROPRIATE, "", run(losses(100, 50, 50), losses(100, 40, 60)).judge());
  }

  @Test
  void stoppingEarlierHelpsIfTheValidationLossRoseClearlySinceAnEpoch() {
    expectAdvice(run(losses(100, 60, 50), losses(100, 50, 53)).judge());
    expectAdvice(
        run(losses(100, 60, 50), losses(100, 50, 53.5)).judge(), "the validation loss was least");
    expectAdvice(run(losses(60, 55), losses(50, 54)).judge());
  }

  @Test
  void theFirstOfEqualLossesIsNamed() {
    assertEquals(1, run(losses(100, 50, 50), losses(100, 50, 50)).judge().best());
    double[] rising = {90, 95, 95, 60};
    expectAdvice(
        run(rising, rising).judge(),
        "the training loss rose from 90.0000 to 95.0000 after evaluation 1: the learning rate may");
    double[] turning = {100, 50, 50, 54};
    expectAdvice(
        run(turning, turning).judge(),
        "the training loss rose from its least, 50.0000 after evaluation 1, to 54.0000: the");
  }

  @Test
  void aRateIsTooHighIfTheTrainingLossRoseClearly() {
    double[] slightlyAbove = {90, 93, 60, 60};
    expectAdvice(run(slightlyAbove, slightlyAbove).judge());
    double[] slightlyRisen = {100, 50, 53};
    expectAdvice(run(slightlyRisen, slightlyRisen).judge());
    double[] both = {90, 93, 50, 54};
    expectAdvice(run(both, both).judge(), "the training loss rose from its least, 50.0000");
    double[] risenFar = {100, 50, 60};
    expect(APPROPRIATE, "", run(risenFar, risenFar).judge());
    double[] risenFarther = {100, 50, 60.5};
    expect(UNDER_FITTING, "ended at 60.5000", run(risenFarther, risenFarther).judge());
  }

  @Test
  void adviceComesInItsOrder() {
    FitVerdict.Builder run =
        run(losses(100, 120, 50, 40), losses(100, 30, 60, 90))
            .validationRows(29)
            .validationLossError(0);
    expect(OVER_FITTING, "rose", run.judge());
    expectAdvice(
        run.judge(),
        "the training loss rose from 100.0000 to 120.0000",
        "the validation loss was least after evaluation 1",
        "weight decay",
        "there are only 29 validation rows");
    // Thrown off: a simple method does better on the training rows too.
    run.baseline("b", 20, NAN);
    expect(UNDER_FITTING, "so is the training loss, 40.0000", run.judge());
    expectAdvice(
        run.judge(), "the training loss rose from 100.0000 to 120.0000", "there are only 29");
    expectAdvice(run.validationRows(30).judge(), "the training loss rose");
  }

  /** The rise is by 20 of 60, so its luck is 2 standard errors times the root of a third. */
  @Test
  void aRiseMustExceedTheLuckOfTheRowsThatItComesFrom() {
    FitVerdict.Builder run = run(losses(100, 55, 50), losses(100, 40, 60));
    expect(OVER_FITTING, "rose", run.validationLossError(8).judge());
    expect(APPROPRIATE, "", run.validationLossError(12).judge());
  }

  @ParameterizedTest
  @CsvSource({"91, 100, APPROPRIATE", "94, 103, APPROPRIATE", "94.5, 103.5, OVER_FITTING"})
  void whatIsClearlyWorseThanChanceIsNoLuck(double train, double valid, Fit fit) {
    FitVerdict verdict =
        run(losses(100, 96, train), losses(100, 60, valid)).validationLossError(30).judge();
    expect(fit, fit == OVER_FITTING ? "rose" : "", verdict);
  }

  @Test
  void aValidationLossWorseThanChanceThatFallsIsUnderFitting() {
    double[] training = {150, 130, 110, 96};
    expect(
        UNDER_FITTING,
        "the validation loss, 105.0000, is still worse than chance, 100.0000",
        run(training, losses(180, 150, 130, 105)).judge());
    expect(
        UNDER_FITTING,
        "the validation loss, 111.0000, is still worse than chance",
        run(training, losses(180, 150, 130, 111)).validationLossError(5).judge());
    double[] flat = {111, 111, 111, 111};
    assertEquals(
        "the validation loss, 111.0000, is far above the training loss, 96.0000, and worse than"
            + " chance, 100.0000",
        run(training, flat).validationLossError(5).judge().reason());
    expect(
        UNDER_FITTING,
        "still worse than chance",
        run(training, losses(106, 106, 106, 106)).validationLossError(5).judge());
  }

  @Test
  void aLeadIsFarIfItExceedsTwoStandardErrorsMore() {
    FitVerdict.Builder run = run(losses(100, 30), losses(100, 60));
    expect(APPROPRIATE, "", run.validationLossError(10).judge());
    assertEquals(
        "the validation loss, 60.0000, is far above the training loss, 30.0000",
        run.validationLossError(9).judge().reason());
  }

  @Test
  void aBaselineOnTheSameRowsDecidesWithinTheLuckOfTheDifference() {
    FitVerdict.Builder run = run(losses(100, 30, 30), losses(100, 50, 50)).validationLossError(5);
    expect(APPROPRIATE, "", run.baseline("a", 45, NAN).judge());
    expect(OVER_FITTING, "below what b has", run.baseline("b", 40, NAN).judge());
    // The training loss must be clearly below the baseline's.
    FitVerdict verdict = run.baseline("c", 33, NAN).judge();
    expect(APPROPRIATE, "and what c has, 33.0000", verdict);
  }

  @Test
  void theFirstOfEqualBaselinesIsNamed() {
    FitVerdict.Builder run = run(losses(100, 63), losses(100, 63));
    run.baseline("a", 60, NAN).baseline("b", 60, NAN);
    expect(APPROPRIATE, "has come to 63.0000 (a: 60.0000), about as good", run.judge());
    expect(UNDER_FITTING, "", run.baseline("c", 0, 0).judge());
  }

  @Test
  void theErrorOfTheLossComesFromTheWrongRows() {
    FitVerdict.Builder run = run(losses(100, 40, 40), losses(100, 50, 50)).baseline("b", 44, NAN);
    assertEquals(
        "the validation loss, 50.0000 ± 0.0000, is not clearly above the training loss, 40.0000,"
            + " and what b has, 44.0000",
        run.judge().reason());
    expect(APPROPRIATE, "50.0000 ± 10.0000", run.validationRows(50).judge());
    run.accuracies(losses(0, 0.5, 0.75), losses(0, 0.5, 0.75));
    expect(APPROPRIATE, "50.0000 ± 10.0000", run.validationRows(100).judge());
  }

  @ParameterizedTest
  @CsvSource({
    "1, 0.848, 19, OVER_FITTING", // allowed are 0.05 and 2 * sqrt(0.05 * 0.95 / 19)
    "1, 0.852, 19, APPROPRIATE",
    "0.05, 0, 0, APPROPRIATE",
    "0.06, 0, 0, OVER_FITTING",
  })
  void accuraciesDifferBeyondLuck(double train, double valid, long rows, Fit fit) {
    FitVerdict.Builder run =
        run(losses(50), losses(50)).accuracies(losses(train), losses(valid)).validationLossError(0);
    if (rows > 0) {
      run.validationRows(rows);
    }
    expect(fit, fit == OVER_FITTING ? "the accuracy is" : "", run.judge());
  }

  @Test
  void nothingIsToBeLearnedWhereTheLossesStayAtChanceAndNoBaselineIsClearlyBelow() {
    String nothing = "the features seem to say nothing";
    double[] above = {110, 103};
    expect(APPROPRIATE, nothing, run(above, above).baseline("b", 100, NAN).judge());
    double[] at = {101, 100};
    expect(APPROPRIATE, nothing, run(at, at).baseline("b", 97, NAN).judge());
    expect(UNDER_FITTING, "", run(at, at).baseline("b", 96.9, NAN).judge());
    double[] fallen = {112, 100}; // by 3 over the last quarter of the way
    expect(APPROPRIATE, nothing, run(fallen, fallen).baseline("b", 100, NAN).judge());
    double[] falling = {112.5, 100};
    expect(UNDER_FITTING, "nor is b", run(falling, falling).baseline("b", 100, NAN).judge());
  }

  @Test
  void lowAndFlatAreSaid() {
    expect(APPROPRIATE, "loss is low, 10.0000", run(losses(100, 10), losses(100, 10)).judge());
    double[] flat = {100, 56, 50};
    assertEquals(
        "the validation loss has flattened at 50.0000, about as good as this data seems to allow",
        run(flat, flat).judge().reason());
    double[] come = {100, 57, 50};
    assertEquals(
        "the validation loss has come to 50.0000, about as good as this data seems to allow",
        run(come, come).judge().reason());
  }

  @ParameterizedTest
  @CsvSource({
    "60, 49, 50, UNDER_FITTING",
    "60, 48.5, 50, APPROPRIATE", // no more at its minimum
    "60, 48, 50, APPROPRIATE",
    "53, 50, 50, APPROPRIATE", // not clearly falling
    "53.5, 50, 50, UNDER_FITTING",
  })
  void theValidationLossIsFallingClearlyToItsMinimum(double a, double b, double c, Fit fit) {
    double[] training = {100, 90, 80, 70, 60, 55, 50, 46, 42};
    double[] validation = {100, 95, 90, 85, 80, 75, a, b, c};
    FitVerdict verdict = run(training, validation).baseline("b", 44, NAN).judge();
    expect(fit, fit == UNDER_FITTING ? "and was still falling" : "±", verdict);
  }

  @Test
  void bothLossesAreStillFallingFar() {
    double[] four = {100, 80, 60, 40};
    expect(UNDER_FITTING, "fell by 15.0000 to 40.0000", run(four, four).judge());
    double[] three = {100, 70, 40};
    expect(APPROPRIATE, "", run(three, three).judge());
    double[] byTen = {100, 80, 60, 50, 40};
    expect(APPROPRIATE, "", run(byTen, byTen).judge());
    double[] toTen = {100, 60, 40, 25, 10};
    expect(APPROPRIATE, "is low", run(toTen, toTen).judge());
    double[] unsteady = {100, 50, 80, 60, 40};
    expect(APPROPRIATE, "", run(unsteady, unsteady).judge());
  }

  @Test
  void theLastQuarterIsOneOfTheSumOfTheRates() {
    double[] losses = {100, 80, 60, 50, 41};
    expect(APPROPRIATE, "", run(losses, losses).rateSums(10, 20, 30, 40, 50).judge());
    double[] lower = {100, 80, 60, 55, 40};
    // From 31.5 on, an eighth of the way between the last two.
    expect(
        UNDER_FITTING,
        "fell by 13.1250 to 40.0000",
        run(lower, lower).rateSums(0, 10, 20, 30, 42).judge());
    expect(APPROPRIATE, "has flattened at 50.0000", run(losses(50), losses(50)).judge());
  }

  @Test
  void adviceOnAHighTrainingLossNamesItsCourse() {
    double[] atChance = {100, 99, 99, 99, 99};
    expectAdvice(run(atChance, atChance).judge(), "the training loss stays at chance");
    double[] below = {100, 97, 97, 97, 97};
    expectAdvice(run(below, below).judge(), FLATTENED);
    double[] unsteady = {100, 97.5, 99.5, 97.5};
    expectAdvice(run(unsteady, unsteady).judge(), UNSTEADY);
    double[] lastRises = {99, 98, 97, 98.5};
    expectAdvice(run(lastRises, lastRises).judge(), UNSTEADY);
    double[] steady = {105, 60, 65, 60, 60, 60, 60, 60, 60};
    expectAdvice(run(steady, steady).baseline("b", 50, NAN).judge(), FLATTENED);
    double[] lessSteady = {105, 60, 65.5, 60, 60, 60, 60, 60, 60};
    expectAdvice(run(lessSteady, lessSteady).baseline("b", 50, NAN).judge(), UNSTEADY);
  }

  @Test
  void theTrainingLossGoesOnFallingRelativeToTheRemainder() {
    double[] byTwo = {100, 64, 60};
    expectAdvice(run(byTwo, byTwo).baseline("b", 50, NAN).judge(), GOING_ON);
    double[] byOne = {100, 62, 60};
    expectAdvice(run(byOne, byOne).baseline("b", 50, NAN).judge(), FLATTENED);
    FitVerdict.Builder atBaseline = run(losses(100, 98.2, 98), losses(104, 104, 104));
    expectAdvice(atBaseline.baseline("b", 98, NAN).judge(), FLATTENED);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0.0000",
    "0.0009, 0.000900",
    "0.001, 0.0010",
    "99999, 99999.0000",
    "100000, 1.00e+05",
  })
  void numbersArePlainBetweenAThousandthAndAHundredThousand(double value, String text) {
    assertEquals(text, FitAdvice.number(value));
  }

  @Test
  void boundsThemselvesAreAccepted() {
    double[] zeros = {0, 0};
    FitVerdict.Builder run = FitVerdict.of(zeros, zeros).accuracies(zeros, losses(1, 1));
    run.chance(1, 0).chance(1, 1).baseline("b", 0, 0).baseline("b", 0, 1).rateSums(0, 0);
    expect(UNDER_FITTING, "nothing was learned", run.judge());
  }

  @Test
  void valuesBeyondTheBoundsAreRefused() {
    FitVerdict.Builder run = run(losses(1, 1), losses(1, 1));
    for (double accuracy : new double[] {-0.1, 1.1}) {
      assertThrows(IllegalArgumentException.class, () -> run.baseline("b", 1, accuracy));
    }
    assertThrows(IllegalArgumentException.class, () -> run.baseline("b", INFINITE, 1));
    assertThrows(IllegalArgumentException.class, () -> run.rateSums(0, INFINITE));
  }

  @Test
  void whatIsMissingIsNamed() {
    double[] two = {1, 1};
    FitVerdict.Builder run = FitVerdict.of(two, two);
    isMissing("training", () -> FitVerdict.of(null, two));
    isMissing("validation", () -> FitVerdict.of(two, null));
    isMissing("validation", () -> run.wording(null, "epoch"));
    isMissing("evaluation", () -> run.wording("test", null));
    isMissing("state", () -> EarlyStopping.patience(1).restore(null));
  }

  private static void isMissing(String name, Runnable call) {
    Exception e = assertThrows(NullPointerException.class, call::run);
    assertTrue(e.getMessage().startsWith(name + " "), e.getMessage());
  }
}
