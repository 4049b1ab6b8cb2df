package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.training.GradientCollector;
import io.warmstep.rule.Sgd;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Parameters that share an array on the first device. Arrays on one device stand for the replicas
 * on several.
 */
class SharedReplicasTest {
  /** A source of given replicas. */
  private record Given(Block block, List<Replicas> replicas) implements ParameterSource {
    @Override
    public Object trainer() {
      return this;
    }

    @Override
    public void checkOpen() {}

    @Override
    public List<Replicas> trained(Map<String, Parameter> named) {
      return replicas;
    }

    @Override
    public void stepped(long begin) {}
  }

  private static PtNDArray array(NDManager manager, float... values) {
    PtNDArray array = (PtNDArray) manager.create(values);
    array.setRequiresGradient(true);
    return array;
  }

  private static void backward(GradientCollector collector, PtNDArray array, float gradient) {
    try (NDArray loss = array.mul(gradient).sum()) {
      collector.backward(loss);
    }
  }

  /** Each parameter's replica counts, unless it is the same array again. */
  @Test
  void theGradientsOfAllReplicasCount() {
    for (boolean areShared : new boolean[] {false, true}) {
      WarmstepOptimizer optimizer = WarmstepOptimizer.of(Sgd.sgd()).learningRate(1).build();
      try (Toy toy = new Toy(optimizer);
          NDManager manager = NDManager.newBaseManager()) {
        PtNDArray shared = array(manager, 0, 0);
        PtNDArray first = array(manager, 0, 0);
        PtNDArray second = areShared ? first : array(manager, 0, 0);
        PtNDArray last = array(manager, 0, 0, 0);
        PtNDArray lastReplica = array(manager, 0, 0, 0);
        List<Replicas> replicas =
            List.of(
                new Replicas("a", "01Linear_weight", new NDArray[] {shared, first}),
                new Replicas("b", "03Linear_weight", new NDArray[] {shared, second}),
                new Replicas("c", "03Linear_bias", new NDArray[] {last, lastReplica}));
        try (ModelStep step = new ModelStep(new Given(toy.model.getBlock(), replicas), optimizer)) {
          for (int i = 1; i <= 2; i++) {
            try (GradientCollector collector = toy.trainer.newGradientCollector()) {
              backward(collector, shared, 1);
              backward(collector, first, 10);
              backward(collector, second, 100);
              backward(collector, last, 1000);
              backward(collector, lastReplica, 10_000);
            }
            step.step();
            for (PtNDArray one : List.of(shared, first, second)) {
              assertArrayEquals(new double[] {-111 * i, -111 * i}, Toy.doubles(one));
            }
            for (PtNDArray one : List.of(last, lastReplica)) {
              assertArrayEquals(
                  new double[] {-11_000 * i, -11_000 * i, -11_000 * i}, Toy.doubles(one));
            }
          }
        }
      }
    }
  }
}
