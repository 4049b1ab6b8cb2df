package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.TestDevices;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.StoredForm;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.stream.Stream;
import org.jocl.Pointer;
import org.jocl.cl_event;
import org.jocl.cl_kernel;
import org.jocl.cl_mem;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a step asks of the device: as few launches as can be, and no waiting. */
@Tag("opencl")
class LaunchesTest {
  /** Writes down what is launched and waited for. */
  private static final class CountingContext extends OpenClContext {
    final List<String> launches = new ArrayList<>();
    int waits;

    private CountingContext(OpenClContext created) {
      super(created.device, created.context, created.queue);
    }

    static CountingContext create() {
      new OpenClBackend().report(); // loads JOCL
      return new CountingContext(OpenClContext.create(OpenClDevices.best()));
    }

    @Override
    void launch(cl_kernel kernel, String name, long[] global, long[] local) {
      launches.add(name);
      super.launch(kernel, name, global, local);
    }

    @Override
    void zero(cl_mem buffer, long at, long bytes, int elementBytes) {
      launches.add("fill");
      super.zero(buffer, at, bytes, elementBytes);
    }

    @Override
    void write(cl_mem buffer, long at, long bytes, Pointer source) {
      waits++;
      super.write(buffer, at, bytes, source);
    }

    @Override
    void read(cl_mem buffer, long at, long bytes, Pointer target) {
      waits++;
      super.read(buffer, at, bytes, target);
    }

    @Override
    void await(cl_event[] event) {
      waits++;
      launches.add("wait");
      super.await(event);
    }

    @Override
    void finish() {
      waits++;
      super.finish();
    }

    /** What one step launches, after the first. */
    List<String> launchesOf(Optimizer optimizer, int expectedWaits) {
      optimizer.step();
      launches.clear();
      waits = 0;
      optimizer.step();
      assertEquals(expectedWaits, waits, "waits");
      return launches;
    }
  }

  private static OptimizerBuilder adam(Parameters parameters) {
    return Optimizer.of(parameters)
        .rule(Adam.adam())
        .learningRate(0.1)
        .group(ParameterGroup.matching("*.bias").weightDecay(0).learningRateFactor(2));
  }

  /** Owned parameters of one type, whatever their groups, and each buffer that was borrowed. */
  @Test
  void ownedParametersShareALaunchAndEachBorrowedBufferHasItsOwn() {
    for (int borrowed : new int[] {0, 1, 3}) {
      CountingContext context = CountingContext.create();
      Deque<Tensor> tensors = new ArrayDeque<>();
      try (Device device =
          TestDevices.of(OpenClDevice.over(context, WorkShape.of(context.device)))) {
        ParametersBuilder builder = Parameters.on(device);
        for (int i = 0; i < 20; i++) {
          builder.add("owned" + i + (i % 2 == 0 ? ".bias" : ""), ElementType.FLOAT32, 10 + i);
        }
        for (int i = 0; i < borrowed; i++) {
          tensors.push(device.allocate(ElementType.FLOAT32, 100));
          Tensor values = tensors.peek();
          tensors.push(device.allocate(ElementType.FLOAT32, 100));
          builder.borrow("borrowed" + i, values, tensors.peek());
        }
        try (Parameters parameters = builder.build();
            Optimizer optimizer = adam(parameters).build()) {
          assertEquals(
              Collections.nCopies(1 + borrowed, "ws_step"), context.launchesOf(optimizer, 0));
        }
        tensors.forEach(Tensor::close);
      }
    }
  }

  /** The norm stays on the device, and so does whether a step is skipped. */
  @Test
  void clippingByNormAndSkippingWaitForNothing() {
    for (boolean skips : new boolean[] {false, true}) {
      CountingContext context = CountingContext.create();
      try (Device device =
              TestDevices.of(OpenClDevice.over(context, WorkShape.of(context.device)));
          Parameters parameters =
              Parameters.on(device)
                  .add("a", ElementType.FLOAT32, 5000)
                  .add("a.bias", ElementType.FLOAT32, 10)
                  .build();
          Optimizer optimizer =
              adam(parameters).clipNorm(1).zeroGradients(true).skipNonFinite(skips).build()) {
        List<String> expected =
            skips
                ? List.of(
                    "ws_put",
                    "ws_norm_leaves",
                    "ws_norm_nodes",
                    "ws_norm_finish",
                    "ws_decide",
                    "ws_step")
                : List.of("ws_norm_leaves", "ws_norm_nodes", "ws_norm_finish", "ws_step");
        assertEquals(expected, context.launchesOf(optimizer, 0));
      }
    }
  }

  static Stream<Arguments> rulesAndForms() {
    List<StoredForm> forms = StoredForm.ofEachChoice();
    return Stream.concat(
        forms.stream().map(form -> Arguments.of(Adam.adamW(), form)),
        Stream.of(Arguments.of(Lamb.lamb(), forms.get(0))));
  }

  /** With clipping, skipping, a loss scale that moves, and an average. */
  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("rulesAndForms")
  void howeverNumbersAreStored(UpdateRule rule, StoredForm form) {
    CountingContext context = CountingContext.create();
    try (Device device = TestDevices.of(OpenClDevice.over(context, WorkShape.ofProcessor(8, 4)));
        Parameters parameters = form.parameters(device, 5000);
        Optimizer optimizer = form.optimizer(parameters, rule)) {
      optimizer.step(); // the next one asks whether it happened, which the average starts with
      List<String> expected =
          new ArrayList<>(
              List.of("ws_put", "ws_norm_leaves", "ws_norm_nodes", "ws_norm_finish", "ws_decide"));
      if (rule.sums().isPresent()) {
        expected.addAll(List.of("ws_sums", "ws_numbers"));
      }
      expected.add("ws_step");
      assertEquals(expected, context.launchesOf(optimizer, 0));
    }
  }

  /** The host goes no further ahead than it has room for, and asks when somebody asks it. */
  @Test
  void skippingWaitsOnlyFarAhead() {
    CountingContext context = CountingContext.create();
    try (Device device = TestDevices.of(OpenClDevice.over(context, WorkShape.of(context.device)));
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters).rule(Sgd.sgd()).learningRate(1).skipNonFinite(true).build()) {
      context.waits = 0;
      for (int i = 0; i < 16; i++) {
        optimizer.step();
      }
      assertEquals(0, context.waits);
      for (int i = 0; i < 80; i++) {
        optimizer.step();
      }
      assertEquals(10, context.waits, "for half of it each time");
      assertEquals(96, optimizer.stepCount());
      assertEquals(11, context.waits);
    }
  }

  /** However many there are: a factor that differs from the last step's takes a launch more. */
  @Test
  void microBatchesOfStepsThatCanBeSkippedWaitForNothing() {
    CountingContext context = CountingContext.create();
    try (Device device = TestDevices.of(OpenClDevice.over(context, WorkShape.of(context.device)));
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(1)
                .lossScaler(LossScaler.fixed(4))
                .build()) {
      int[] batches = {1, 2, 2, 3, 1};
      for (int i = 0; i < batches.length; i++) {
        parameters.get("p").gradients().copyFrom(new float[] {4, 4 * i});
        context.launches.clear();
        context.waits = 0;
        for (int batch = 0; batch < batches[i]; batch++) {
          optimizer.accumulate();
        }
        optimizer.step();
        List<String> expected = new ArrayList<>(List.of("fill"));
        expected.addAll(Collections.nCopies(batches[i] + 1, "ws_step")); // and the rounded sum
        expected.add("ws_put");
        if (i > 0 && batches[i] != batches[i - 1]) {
          expected.add("ws_rescale");
        }
        expected.addAll(List.of("ws_norm_leaves", "ws_norm_finish", "ws_decide", "ws_step"));
        if (i > 0) { // the first prepares
          assertEquals(expected, context.launches);
          assertEquals(0, context.waits);
        }
      }
      context.waits = 0;
      assertEquals(batches.length, optimizer.stepCount());
      assertEquals(1, context.waits);
      assertArrayEquals(
          new float[] {1 - 5, 2 - (1 + 2 + 3 + 4)}, parameters.get("p").values().toFloats());
    }
  }

  /** Where numbers of later steps are not known, the norm is waited for, when all is launched. */
  @Test
  void skippingWaitsForTheNormWhereRatesAreNotKnownAhead() {
    CountingContext context = CountingContext.create();
    try (Device device = TestDevices.of(OpenClDevice.over(context, WorkShape.of(context.device)));
        Parameters parameters = Parameters.on(device).add("p", new float[] {1, 2}).build();
        Optimizer optimizer =
            Optimizer.of(parameters)
                .rule(Sgd.sgd())
                .learningRate(step -> 1)
                .skipNonFinite(true)
                .build()) {
      assertEquals(
          List.of("ws_norm_leaves", "ws_norm_finish", "ws_step", "wait"),
          context.launchesOf(optimizer, 1));
    }
  }

  /** Slices of one buffer, between which lie elements of others. */
  @Test
  void zeroingTakesALaunchForEachBuffer() {
    int slices = 5;
    CountingContext context = CountingContext.create();
    try (Device device = TestDevices.of(OpenClDevice.over(context, WorkShape.of(context.device)));
        Tensor values = device.allocate(ElementType.FLOAT32, 100L * slices);
        Tensor gradients = device.allocate(ElementType.FLOAT32, 100L * slices)) {
      Deque<Tensor> parts = new ArrayDeque<>();
      ParametersBuilder builder =
          Parameters.on(device).add("owned.bias", ElementType.FLOAT32, 3000);
      for (int i = 0; i < slices; i++) {
        parts.push(values.slice(100L * i, 99));
        Tensor slice = parts.peek();
        parts.push(gradients.slice(100L * i, 99));
        builder.borrow("slice" + i, slice, parts.peek());
      }
      try (Parameters parameters = builder.build();
          Optimizer optimizer = adam(parameters).skipNonFinite(true).zeroGradients(true).build()) {
        float[] ones = new float[100 * slices];
        Arrays.fill(ones, 1);
        gradients.copyFrom(ones);
        context.launches.clear();
        optimizer.zeroGradients();
        assertEquals(List.of("fill", "ws_zero"), context.launches);
        for (int i = 0; i < ones.length; i++) {
          ones[i] = i % 100 == 99 ? 1 : 0;
        }
        assertArrayEquals(ones, gradients.toFloats());
      }
      parts.forEach(Tensor::close);
    }
  }
}
