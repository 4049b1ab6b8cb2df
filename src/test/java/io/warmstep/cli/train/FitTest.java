package io.warmstep.cli.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FitTest {
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
  void verdictFollowsTheStatedRule(double train, double test, String verdict) {
    assertEquals(verdict, Fit.of(train, test).toString());
  }
}
