package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.warmstep.rule.Sgd;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names of a block's parameters. */
class BlockParametersTest {
  @TempDir Path folder;

  /** A block of a linear one, with a parameter of its own under a name of choice. */
  private static final class Wrapped extends AbstractBlock {
    final Block linear;
    final Parameter scale;

    Wrapped(String name) {
      linear = addChildBlock("Linear", Linear.builder().setUnits(Toy.CLASSES).build());
      scale =
          addParameter(
              Parameter.builder()
                  .setName(name)
                  .setType(Parameter.Type.GAMMA)
                  .optShape(new Shape(1, Toy.CLASSES))
                  .build());
    }

    /** Makes a parameter appear once more. */
    Wrapped tie(String name, Parameter parameter) {
      parameters.put(name, parameter);
      return this;
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store, NDList inputs, boolean training, PairList<String, Object> options) {
      NDList outputs = linear.forward(store, inputs, training, options);
      return new NDList(
          outputs
              .singletonOrThrow()
              .mul(store.getValue(scale, inputs.get(0).getDevice(), training)));
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
      return linear.getOutputShapes(inputs);
    }

    @Override
    protected void initializeChildBlocks(
        ai.djl.ndarray.NDManager manager, DataType type, Shape... inputs) {
      linear.initialize(manager, type, inputs);
    }
  }

  @Test
  void twoParametersOfOneNameAreRefused() throws Exception {
    Wrapped block = new Wrapped("01Linear_weight");
    WarmstepOptimizer optimizer = WarmstepOptimizer.of(Sgd.sgd()).learningRate(0.1).build();
    try (Toy toy = new Toy(optimizer, DataType.FLOAT32, block)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> ModelStep.of(toy.trainer, optimizer))
              .getMessage();
      assertEquals(
          "different parameters of the block have the same name: \"01Linear_weight\" is gamma"
              + " 01Linear_weight of shape (1, 3) and weight weight of shape (3, 8); rename one of"
              + " them, or the block that has it",
          message);
      toy.backward(1);
      toy.trainer.step();
      Path file = folder.resolve("state");
      assertThrows(IllegalArgumentException.class, () -> optimizer.save(file, block));
      assertTrue(Files.notExists(file));
    }
  }

  @Test
  void aParameterOfTwoNamesKeepsTheFirst() {
    Wrapped block = new Wrapped("scale");
    block.tie("again", block.scale);
    assertEquals(
        List.of("scale", "01Linear_weight", "01Linear_bias"),
        List.copyOf(BlockParameters.named(block).keySet()));
    assertSame(block.scale, BlockParameters.named(block).get("scale"));
  }
}
