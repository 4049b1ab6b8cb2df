package io.warmstep.schedule;

import static io.warmstep.schedule.FitVerdict.Fit.APPROPRIATE;
import static io.warmstep.schedule.FitVerdict.Fit.OVER_FITTING;
import static io.warmstep.schedule.FitVerdict.Fit.UNDER_FITTING;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.schedule.FitVerdict.Fit;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FitVerdictTest {
  private static final double NAN = Double.NaN;
  private static final double INFINITE = Double.POSITIVE_INFINITY;

  /** Two equally frequent classes. */
  private static final double COIN = Math.log(2);

  /** From one loss towards another, two thirds of the way every {@code pace} evaluations. */
  private static double[] decay(double from, double to, double pace, int evaluations) {
    double[] losses = new double[evaluations];
    Arrays.setAll(losses, i -> to + (from - to) * Math.exp(-i / pace));
    return losses;
  }

  private static double[] line(double from, double to, int evaluations) {
    double[] losses = new double[evaluations];
    Arrays.setAll(losses, i -> from + (to - from) * i / (evaluations - 1));
    return losses;
  }

  private static double[] join(double[] first, double... second) {
    return DoubleStream.concat(Arrays.stream(first), Arrays.stream(second)).toArray();
  }

  private static double[] losses(double... losses) {
    return losses;
  }

  private static double[] constant(double value, int count) {
    return line(value, value, count);
  }

  private static void assertVerdict(Fit fit, String reason, FitVerdict verdict) {
    assertEquals(fit, verdict.fit(), verdict.toString());
    assertTrue(verdict.reason().contains(reason), verdict.toString());
  }

  private static void assertAdvice(String part, FitVerdict verdict) {
    assertTrue(verdict.advice().toString().contains(part), verdict.toString());
  }

  @Test
  void lowLossesOnBothAreAppropriateAndNeedNoAdvice() {
    FitVerdict verdict =
        FitVerdict.of(decay(2.6, 0.005, 2, 41), decay(2.6, 0.06, 2, 41))
            .accuracies(constant(1, 41), constant(0.978, 41))
            .chance(Math.log(10), 0.1)
            .baseline("a softmax regression", 0.14, 0.975)
            .validationRows(359)
            .judge();
    assertVerdict(APPROPRIATE, "the validation loss is low, 0.0600", verdict);
    assertEquals(List.of(), verdict.advice());
    assertEquals(40, verdict.best());
  }

  /** No model can do better: 0.49 is the least loss that these classes allow. */
  @Test
  void noisyDataIsJudgedByWhatItAllows() {
    double[] train = decay(1, 0.48, 3, 41);
    double[] validation = decay(1, 0.5, 3, 41);
    FitVerdict verdict =
        FitVerdict.of(train, validation)
            .accuracies(constant(0.77, 41), constant(0.75, 41))
            .chance(COIN, 0.5)
            .baseline("a softmax regression", 0.495, 0.75)
            .judge();
    assertVerdict(APPROPRIATE, "as good as this data seems to allow", verdict);
    assertEquals(List.of(), verdict.advice());
    verdict = FitVerdict.of(train, validation).judge();
    assertVerdict(APPROPRIATE, "flattened at 0.5000", verdict);

    // A large network goes on to learn the noise.
    verdict =
        FitVerdict.of(join(train, line(0.47, 0.41, 30)), join(validation, line(0.501, 0.56, 30)))
            .accuracies(constant(0.81, 71), constant(0.74, 71))
            .chance(COIN, 0.5)
            .baseline("a softmax regression", 0.495, 0.75)
            .validationRows(600)
            .validationLossError(0.018)
            .judge();
    assertVerdict(OVER_FITTING, "", verdict);
    assertEquals(40, verdict.best());
    assertAdvice("the validation loss was least after evaluation 40, 0.5000", verdict);
  }

  @Test
  void aRiseOfTheValidationLossWhileTheTrainingLossFallsIsOverFitting() {
    double[] train = losses(2, 0.5, 0.1, 0.01);
    FitVerdict verdict =
        FitVerdict.of(train, losses(2, 0.09, 0.5, 1.36)).wording("test", "epoch").judge();
    assertVerdict(
        OVER_FITTING,
        "the test loss rose from its least, 0.0900 after epoch 1, to 1.3600",
        verdict);
    assertEquals(1, verdict.best());
    assertVerdict(APPROPRIATE, "low", FitVerdict.of(train, losses(2, 0.09, 0.05, 0.06)).judge());
  }

  /** Both rise: that is not what the training rows taught, but steps that are too long. */
  @Test
  void aRiseOfBothLossesIsNotOverFitting() {
    FitVerdict verdict =
        FitVerdict.of(losses(2.5, 0.9, 9, 4), losses(2.5, 0.8, 9, 6)).chance(2.3, NAN).judge();
    assertVerdict(UNDER_FITTING, "hardly better than chance", verdict);
    assertEquals(
        List.of(
            "the training loss rose from 2.5000 to 9.0000 after evaluation 2: the learning rate may"
                + " be too high"),
        verdict.advice());
    verdict = FitVerdict.of(losses(2.5, 0.2, 0.3, 0.6), losses(2.5, 0.3, 0.3, 0.6)).judge();
    assertVerdict(UNDER_FITTING, "ended at 0.6000, above its least, 0.2000", verdict);
    assertAdvice("rose from its least, 0.2000 after evaluation 1, to 0.6000", verdict);
  }

  @Test
  void aSimpleMethodThatDoesBetterShowsUnderFitting() {
    double[] flat = decay(0.9, 0.55, 2, 41);
    FitVerdict.Builder spirals = FitVerdict.of(flat, flat).chance(COIN, 0.5);
    assertVerdict(APPROPRIATE, "flattened", spirals.judge());
    spirals.baseline("a softmax regression", 0.56, 0.7).baseline("neighbours", 0.03, 0.99);
    assertVerdict(
        UNDER_FITTING,
        "is above what neighbours has, 0.0300, and so is the training",
        spirals.judge());
    assertAdvice("the model may be too small", spirals.judge());
    // A method that does worse than the one there is changes nothing.
    assertEquals(spirals.judge(), spirals.baseline("a tree", 0.4, 0.8).judge());
  }

  @ParameterizedTest
  @CsvSource({
    "2.50, 2.45", // hardly moved
    "2.50, 2.31", // on the way
    "2.50, 1.20", // far from done
  })
  void aLossThatFallsOnAndOnMeansALowRateOrFewSteps(double from, double to) {
    double[] curve = line(from, to, 21);
    FitVerdict verdict =
        FitVerdict.of(curve, curve)
            .chance(Math.log(10), 0.1)
            .baseline("a softmax regression", 0.14, 0.97)
            .judge();
    assertVerdict(UNDER_FITTING, "", verdict);
    assertAdvice("the learning rate may be too low, or the epochs too few", verdict);
  }

  @Test
  void withoutABaselineTheCurvesTellThatTheLossesWereStillFalling() {
    FitVerdict verdict = FitVerdict.of(line(2.5, 1.2, 21), line(2.5, 1.3, 21)).judge();
    assertVerdict(UNDER_FITTING, "fell by 0.3000 to 1.3000", verdict);
    assertAdvice("too low", verdict);
    assertEquals(
        APPROPRIATE, FitVerdict.of(decay(2.5, 1.2, 2, 21), decay(2.5, 1.3, 2, 21)).judge().fit());
  }

  /** A cosine schedule: the loss is a straight line over the rates, and flat over the steps. */
  @Test
  void aLossThatStoppedWithTheRateIsNotTakenForFlat() {
    double[] sums = new double[41];
    for (int i = 1; i < sums.length; i++) {
      sums[i] = sums[i - 1] + 1 + Math.cos(Math.PI * (i - 0.5) / 40);
    }
    double[] train = Arrays.stream(sums).map(sum -> 2 - sum / 40).toArray();
    double[] validation = Arrays.stream(sums).map(sum -> 2.1 - sum / 40).toArray();
    FitVerdict.Builder run = FitVerdict.of(train, validation);
    assertEquals(APPROPRIATE, FitVerdict.of(join(train, 1), join(validation, 1.1)).judge().fit());
    assertVerdict(UNDER_FITTING, "still falling", run.rateSums(sums).judge());
  }

  @Test
  void aRateOfZeroTrainsNothing() {
    double[] flat = constant(0.6, 5);
    FitVerdict verdict = FitVerdict.of(flat, constant(1.6, 5)).chance(COIN, 0.5).judge();
    assertVerdict(UNDER_FITTING, "nothing was learned: the training loss stayed at 0.6", verdict);
    assertAdvice("may be far too low", verdict);
    verdict = FitVerdict.of(flat, flat).rateSums(new double[5]).judge();
    assertEquals(
        List.of("the learning rate is 0: nothing can be learned without a rate above 0"),
        verdict.advice());
    assertVerdict(
        UNDER_FITTING,
        "nothing was learned",
        FitVerdict.of(losses(0.6), losses(0.7)).chance(COIN, 0.5).rateSums(0).judge());
  }

  @ParameterizedTest
  @CsvSource({"NaN", "Infinity"})
  void aTrainingLossThatIsNotFiniteIsUnderFitting(double loss) {
    FitVerdict verdict = FitVerdict.of(losses(2, 9, loss), losses(2, 8, 7)).judge();
    assertVerdict(UNDER_FITTING, "the training loss is " + loss, verdict);
    assertAdvice("may be too high", verdict);
    verdict = FitVerdict.of(losses(2, 1, 0.1), losses(2, 1.1, loss)).judge();
    assertVerdict(OVER_FITTING, "", verdict);
    assertEquals(1, verdict.best());
  }

  /** One row in a hundred is positive: naming none of them has an accuracy of 0.99. */
  @ParameterizedTest
  @CsvSource({
    "0.0560, 0.99,  0.0561, 0.99,  under-fitting",
    "0.0400, 0.99,  0.0410, 0.99,  under-fitting",
    "0.0230, 0.992, 0.0260, 0.992, appropriate",
    "0.0001, 1,     0.0900, 0.99,  over-fitting",
    "0.0200, 1,     0.0255, 0.995, over-fitting",
  })
  void unbalancedClassesAreMeasuredByTheirOwnChance(
      double train, double trainAccuracy, double test, double testAccuracy, String fit) {
    FitVerdict verdict =
        FitVerdict.of(decay(0.7, train, 2, 31), decay(0.7, test, 2, 31))
            .accuracies(constant(trainAccuracy, 31), constant(testAccuracy, 31))
            .chance(0.056, 0.99)
            .baseline("a softmax regression", 0.025, 0.991)
            .judge();
    assertEquals(fit, verdict.fit().toString(), verdict.toString());
  }

  @Test
  void featuresThatSayNothingAreDistinguishedFromAModelThatLearnedNothing() {
    double[] train = decay(1, COIN, 2, 31);
    double[] validation = decay(1, COIN + 0.002, 2, 31);
    FitVerdict.Builder run = FitVerdict.of(train, validation).chance(COIN, 0.5);
    assertVerdict(UNDER_FITTING, "hardly better than chance", run.judge());
    assertAdvice("stays at chance", run.judge());
    run.baseline("a softmax regression", 0.699, 0.49);
    assertVerdict(APPROPRIATE, "the features seem to say nothing", run.judge());
    run.baseline("neighbours", 0.4, 0.8);
    assertVerdict(UNDER_FITTING, "is above what neighbours has, 0.4000", run.judge());
    FitVerdict.Builder slow =
        FitVerdict.of(line(1, 0.7, 31), line(1, 0.7, 31))
            .chance(COIN, 0.5)
            .baseline("a softmax regression", 0.699, 0.49);
    assertVerdict(UNDER_FITTING, "nor is a softmax regression, 0.6990", slow.judge());
    assertAdvice("too low", slow.judge());
    FitVerdict.Builder noise =
        FitVerdict.of(decay(1, 0.4, 3, 31), join(decay(1, 0.7, 1, 10), line(0.7, 0.9, 21)))
            .chance(COIN, 0.5)
            .baseline("a softmax regression", 0.699, 0.49);
    assertVerdict(OVER_FITTING, "rose", noise.judge());
  }

  /** One wrong row of twelve, of which the model is sure, or a hundred of twelve hundred. */
  @Test
  void fewRowsLeaveMuchToLuck() {
    double[] train = decay(0.9, 0.02, 2, 21);
    double[] validation = decay(0.9, 0.2, 2, 21);
    double[] accuracy = constant(11.0 / 12, 21);
    FitVerdict.Builder run =
        FitVerdict.of(train, validation)
            .accuracies(constant(1, 21), accuracy)
            .chance(COIN, 0.5)
            .wording("test", "epoch");
    assertVerdict(OVER_FITTING, "", run.judge());
    assertVerdict(OVER_FITTING, "", run.validationRows(1200).judge());
    assertVerdict(APPROPRIATE, "", run.validationRows(12).judge());
    assertAdvice("there are only 12 test rows: the verdict may be luck", run.judge());
    assertAdvice("there is only 1 test row:", run.validationRows(1).judge());

    // Four wrong rows of twelve are no luck.
    FitVerdict verdict =
        FitVerdict.of(train, decay(0.9, 0.6, 2, 21))
            .accuracies(constant(1, 21), constant(8.0 / 12, 21))
            .chance(COIN, 0.5)
            .validationRows(12)
            .judge();
    assertVerdict(OVER_FITTING, "the accuracy is 1.0000 on the training rows", verdict);
  }

  /** What the same rows show of a simple method is no luck of the rows. */
  @Test
  void aSimpleMethodThatDoesBetterOnTheSameRowsShowsOverFitting() {
    FitVerdict.Builder run =
        FitVerdict.of(decay(4, 1.5, 3, 41), decay(4, 1.95, 2, 41))
            .chance(3, 0.05)
            .validationRows(400)
            .validationLossError(0.09);
    assertVerdict(APPROPRIATE, "", run.judge());
    run.baseline("a softmax regression", 1.75, 0.45);
    assertVerdict(
        OVER_FITTING,
        "is below what a softmax regression has on the validation rows, 1.7500",
        run.judge());
  }

  @ParameterizedTest
  @CsvSource({
    "1.0,  0.951, 0.5, appropriate",
    "1.0,  0.949, 0.5, over-fitting",
    "0.9,  0.99,  0.5, appropriate",
    "1.0,  0.985, 0.9, over-fitting", // more than a tenth of the error of chance
    "1.0,  0.991, 0.9, appropriate",
    "1.0,  0.96,  NaN, appropriate",
  })
  void accuraciesThatDifferAreOverFitting(double train, double test, double ofChance, String fit) {
    FitVerdict verdict =
        FitVerdict.of(decay(0.7, 0.1, 2, 21), decay(0.7, 0.12, 2, 21))
            .accuracies(constant(train, 21), constant(test, 21))
            .chance(COIN, ofChance)
            .judge();
    assertEquals(fit, verdict.fit().toString(), verdict.toString());
  }

  @Test
  void oneEvaluationIsJudgedByChanceAlone() {
    FitVerdict.Builder one = FitVerdict.of(losses(0.1), losses(0.12));
    Exception e = assertThrows(IllegalStateException.class, one::judge);
    assertTrue(e.getMessage().contains("chance"), e.getMessage());
    assertVerdict(APPROPRIATE, "", one.chance(COIN, NAN).judge());
    assertVerdict(
        OVER_FITTING, "", FitVerdict.of(losses(0.1), losses(0.3)).chance(COIN, NAN).judge());
    assertVerdict(
        UNDER_FITTING, "", FitVerdict.of(losses(0.69), losses(0.69)).chance(COIN, NAN).judge());
  }

  /** Losses in other units, such as bits or squared euros, have the same verdict. */
  @Test
  void theUnitOfTheLossDoesNotMatter() {
    SplittableRandom random = new SplittableRandom(3);
    int[] counts = new int[3];
    for (int i = 0; i < 2000; i++) {
      int n = 2 + random.nextInt(30);
      double[] train = new double[n];
      double[] validation = new double[n];
      double pace = 1 + 10 * random.nextDouble();
      double floor = random.nextDouble();
      double over = random.nextDouble() * random.nextInt(2);
      for (int k = 0; k < n; k++) {
        double noise = 0.02 * random.nextDouble();
        train[k] = floor + Math.exp(-k / pace) + noise;
        validation[k] = train[k] + over * k / n + 0.02 * random.nextDouble();
      }
      double chance = 0.3 + random.nextDouble();
      double baseline = chance * random.nextDouble();
      int rows = 1 + random.nextInt(1000);
      FitVerdict verdict =
          FitVerdict.of(train, validation)
              .chance(chance, 0.5)
              .baseline("b", baseline, NAN)
              .validationRows(rows)
              .judge();
      counts[verdict.fit().ordinal()]++;
      double unit = 1024; // exact
      FitVerdict scaled =
          FitVerdict.of(
                  Arrays.stream(train).map(x -> x * unit).toArray(),
                  Arrays.stream(validation).map(x -> x * unit).toArray())
              .chance(chance * unit, 0.5)
              .baseline("b", baseline * unit, NAN)
              .validationRows(rows)
              .judge();
      assertEquals(verdict.fit(), scaled.fit(), verdict + " " + scaled);
      assertEquals(verdict.best(), scaled.best());
      assertEquals(verdict.advice().size(), scaled.advice().size());
    }
    for (Fit fit : Fit.values()) {
      assertTrue(counts[fit.ordinal()] > 100, fit + " is tried: " + Arrays.toString(counts));
    }
  }

  @Test
  void whatIsGivenIsCopied() {
    double[] train = decay(2, 0.01, 2, 20);
    double[] validation = decay(2, 0.03, 2, 20);
    FitVerdict.Builder run = FitVerdict.of(train, validation);
    FitVerdict before = run.judge();
    Arrays.fill(train, 7);
    Arrays.fill(validation, 9);
    assertEquals(before, run.judge());
    assertThrows(UnsupportedOperationException.class, () -> before.advice().add("more"));
  }

  @Test
  void badArgumentsAreRefused() {
    double[] two = {1, 1};
    FitVerdict.Builder run = FitVerdict.of(two, two);
    assertThrows(NullPointerException.class, () -> FitVerdict.of(null, two));
    assertThrows(NullPointerException.class, () -> FitVerdict.of(two, null));
    assertThrows(NullPointerException.class, () -> run.accuracies(two, null));
    assertThrows(NullPointerException.class, () -> run.rateSums((double[]) null));
    assertThrows(NullPointerException.class, () -> run.baseline(null, 1, 1));
    assertThrows(NullPointerException.class, () -> run.wording("test", null));
    assertThrows(NullPointerException.class, () -> new FitVerdict(null, "", List.of(), 0));
    refused("training.length is 0", () -> FitVerdict.of(losses(), losses()));
    refused("validation.length is 1", () -> FitVerdict.of(two, losses(1)));
    refused("training is -0.5", () -> FitVerdict.of(losses(1, -0.5), two));
    refused("validation is -0.5", () -> FitVerdict.of(two, losses(1, -0.5)));
    refused("training.length is 1", () -> run.accuracies(losses(1), two));
    refused("validation is 1.5", () -> run.accuracies(two, losses(1, 1.5)));
    refused("training is NaN", () -> run.accuracies(losses(1, NAN), two));
    refused("loss is 0.0", () -> run.chance(0, 1));
    refused("loss is Infinity", () -> run.chance(INFINITE, 1));
    refused("accuracy is 2.0", () -> run.chance(1, 2));
    refused("loss is -1.0", () -> run.baseline("b", -1, 1));
    refused("loss is NaN", () -> run.baseline("b", NAN, 1));
    refused("rateSums.length is 1", () -> run.rateSums(0));
    refused("rateSums is 1.0", () -> run.rateSums(2, 1));
    refused("rateSums is NaN", () -> run.rateSums(0, NAN));
    refused("rows is 0", () -> run.validationRows(0));
    refused("standardError is -1.0", () -> run.validationLossError(-1));
    refused("standardError is Infinity", () -> run.validationLossError(INFINITE));
  }

  private static void refused(String start, Executable call) {
    Exception e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().startsWith(start), e.getMessage());
    assertFalse(e.getMessage().endsWith(" "), e.getMessage());
  }
}
