import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.MasterWeights;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameters;
import io.warmstep.Rounding;
import io.warmstep.StateType;
import io.warmstep.rule.Adam;
import java.util.SplittableRandom;

/** One step of AdamW on CUDA, for {@code count} beside it, which says what the arguments are. */
public final class OneStep {
  private OneStep() {}

  public static void main(String[] arguments) {
    String form = arguments[0];
    int length = Integer.parseInt(arguments[1]);
    boolean isNarrow = !form.equals("float32");
    ElementType type = isNarrow ? ElementType.BFLOAT16 : ElementType.FLOAT32;
    try (Device device = Devices.require("cuda");
        Parameters parameters = Parameters.on(device).add("p", type, length).build()) {
      // Of either sign, and over as many powers of two as leave codes of all sizes.
      SplittableRandom random = new SplittableRandom(1);
      float[] numbers = new float[length];
      for (int i = 0; i < length; i++) {
        double magnitude = Math.exp(-6 * random.nextDouble());
        numbers[i] = (float) (random.nextBoolean() ? magnitude : -magnitude);
      }
      parameters.get("p").values().copyFrom(numbers);
      parameters.get("p").gradients().copyFrom(numbers);
      OptimizerBuilder builder = Optimizer.of(parameters).rule(Adam.adamW()).learningRate(0.01);
      if (isNarrow) {
        builder.masterWeights(MasterWeights.BITS_24).stateType(StateType.INT8);
        builder.rounding(form.equals("random") ? Rounding.STOCHASTIC : Rounding.NEAREST, 3);
      }
      try (Optimizer optimizer = builder.build()) {
        optimizer.step();
      }
    }
  }
}
