package io.warmstep.fault;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Momentum;
import io.warmstep.rule.RmsProp;
import io.warmstep.rule.Sgd;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Numbers that float64 holds and the parameters' arithmetic does not. */
class ArithmeticRangeTest {
  private static Arguments of(
      String name, String number, UnaryOperator<OptimizerBuilder> settings) {
    return Arguments.of(name, number, settings);
  }

  /** Beyond float32 and within float64. */
  static Stream<Arguments> beyondFloat32() {
    return Stream.of(
        of("learningRate", "1.0E39", b -> b.rule(Sgd.sgd()).learningRate(1e39)),
        of("learningRate", "1.0E-46", b -> b.rule(Sgd.sgd()).learningRate(1e-46)),
        of("weightDecay", "1.0E39", b -> b.rule(Sgd.sgd().weightDecay(1e39))),
        of("weightDecay", "1.0E-60", b -> b.rule(Momentum.nesterov(0.9).weightDecay(1e-60))),
        of(
            "parameterScale",
            "-1.0E39",
            b -> b.rule(Adam.adamW().weightDecay(1e39)).learningRate(1)),
        of("eps", "1.0E-46", b -> b.rule(Adam.adam().eps(1e-46))),
        of("eps", "1.0E39", b -> b.rule(RmsProp.rmsProp().eps(1e39))),
        of("beta1", "1.0E-50", b -> b.rule(Adam.adam().betas(1e-50, 0.9))),
        of("momentum", "1.0E-300", b -> b.rule(Momentum.heavyBall(1e-300))),
        of(
            "stepSize",
            "9.99999999999999E38",
            b -> b.rule(Adam.adam().betas(0.99, 0.999)).learningRate(1e37)),
        of("clipNorm", "1.0E-46", b -> b.rule(Sgd.sgd()).clipNorm(1e-46)),
        of("clipNorm", "1.0E39", b -> b.rule(Sgd.sgd()).clipNorm(1e39)),
        of("clipValue", "1.0E-60", b -> b.rule(Sgd.sgd()).clipValue(1e-60)),
        of("clipValue", "1.0E39", b -> b.rule(Sgd.sgd()).clipValue(1e39)),
        of("adaptiveClip", "1.0E-46", b -> b.rule(Sgd.sgd()).adaptiveClip(1e-46)),
        of("adaptiveClip: eps", "1.0E39", b -> b.rule(Sgd.sgd()).adaptiveClip(0.01, 1e39)),
        of(
            "learningRate",
            "1.0E40",
            b ->
                b.rule(Sgd.sgd())
                    .learningRate(1e20)
                    .group(ParameterGroup.matching("*").learningRateFactor(1e20))));
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("beyondFloat32")
  void isRefusedAtBuildUnlessParametersAreFloat64(
      String name, String number, UnaryOperator<OptimizerBuilder> settings) {
    for (ElementType type : ElementType.values()) {
      try (Device device = Devices.cpu();
          Parameters parameters = Parameters.on(device).add("layer.weight", type, 3).build()) {
        OptimizerBuilder builder =
            settings.apply(Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(0.1));
        if (type == ElementType.FLOAT64) {
          builder.build().close();
          continue;
        }
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, builder::build);
        for (String part :
            new String[] {name, number, "in float32", type + " parameter \"layer.weight\""}) {
          assertTrue(e.getMessage().contains(part), e.getMessage());
        }
      }
    }
  }

  @Test
  void theMessageSaysWhatIsAllowedAndWhatToDo() {
    try (Device device = Devices.cpu();
        Parameters parameters = Parameters.on(device).add("w", new float[1]).build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(Adam.adam().eps(1e-46)).learningRate(0.1);
      IllegalArgumentException e = assertThrows(IllegalArgumentException.class, builder::build);
      assertEquals(
          "adam: eps at step 1 with learning rate 0.1 is 1.0E-46, which is 0.0 in float32, the"
              + " arithmetic of the float32 parameter \"w\", must be 0 or of a magnitude from"
              + " 1.4E-45 to 3.4028235E38: change it or use float64 parameters",
          e.getMessage());
    }
  }

  @Test
  void aRateOfTheScheduleIsRefusedBeforeAnythingChanges() {
    for (double bad : new double[] {1e39, 1e-46}) {
      try (Device device = Devices.cpu();
          Parameters parameters = Parameters.on(device).add("p", new float[] {1}).build();
          Optimizer optimizer =
              Optimizer.of(parameters)
                  .rule(Momentum.heavyBall(0.9))
                  .learningRate(step -> step == 2 ? bad : 0.5)
                  .build()) {
        parameters.get("p").gradients().copyFrom(new float[] {1});
        optimizer.step();
        IllegalStateException e = assertThrows(IllegalStateException.class, optimizer::step);
        assertTrue(e.getMessage().contains("at step 2 with learning rate " + bad), e.getMessage());
        assertEquals(1, optimizer.stepCount());
        assertArrayEquals(new float[] {0.5f}, parameters.get("p").values().toFloats());
        assertArrayEquals(new float[] {1}, optimizer.state("p", "momentum_buffer").toFloats());
      }
    }
  }

  @Test
  void aRateTimesItsFactorMustStayInFloat64() {
    for (double number : new double[] {1e200, 1e-200}) {
      try (Device device = Devices.cpu();
          Parameters parameters = Parameters.on(device).add("p", new double[1]).build()) {
        OptimizerBuilder builder =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(number)
                .group(ParameterGroup.matching("p").learningRateFactor(number));
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, builder::build);
        assertTrue(e.getMessage().contains("beyond the range of float64"), e.getMessage());
      }
    }
  }

  @Test
  void theNarrowestArithmeticOfAGroupDecides() {
    try (Device device = Devices.cpu();
        Parameters parameters =
            Parameters.on(device).add("wide", new double[1]).add("narrow", new float[1]).build()) {
      OptimizerBuilder builder =
          Optimizer.of(parameters).rule(Sgd.sgd().weightDecay(1e-60)).learningRate(0.1);
      assertThrows(IllegalArgumentException.class, builder::build);
      builder.rule(Sgd.sgd()).group(ParameterGroup.matching("wide").weightDecay(1e-60));
      builder.clipNorm(1e-60).build().close(); // the norm is computed in float64
    }
  }

  @Test
  void theGreatestStepCountIsTheLast() {
    try (Device device = Devices.cpu();
        Parameters parameters = Parameters.on(device).add("p", new float[1]).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Adam.adam())
                .learningRate(0.1)
                .startAfter(Long.MAX_VALUE - 1)
                .build()) {
      optimizer.step();
      IllegalStateException e = assertThrows(IllegalStateException.class, optimizer::step);
      assertTrue(e.getMessage().contains("no step can follow"), e.getMessage());
      assertEquals(Long.MAX_VALUE, optimizer.stepCount());
    }
  }
}
