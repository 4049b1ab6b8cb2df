package io.warmstep.cli.verify;

import static io.warmstep.cli.verify.EntryScenes.add;
import static io.warmstep.cli.verify.EntryScenes.borrowed;
import static io.warmstep.cli.verify.EntryScenes.isLong;
import static io.warmstep.cli.verify.EntryScenes.of;
import static io.warmstep.cli.verify.EntryScenes.scene;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.Norm;
import io.warmstep.OptimizerBuilder;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.cli.verify.EntryScenes.Scene;
import io.warmstep.rule.Sgd;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/** The scenes of the norm's entries: leaves, nodes and the root. */
final class NormScenes {
  private NormScenes() {}

  /** Those of the leaves of gradients of a type. */
  static List<Scene> ofLeaves(ElementType type) {
    List<Scene> scenes = new ArrayList<>();
    for (BitCase one : BitCase.all(type)) {
      boolean norm =
          one.extra() == BitCase.Extra.CLIPPED_NORM || one.extra() == BitCase.Extra.LOSS_SCALE;
      if (norm && one.rule().name().equals("sgd") && !isLong(one)) {
        scenes.add(of(one));
      }
    }
    // So that each of a thread's 16 elements is the last one somewhere.
    int[] lengths = {
      4095, 4096, 4097, 69, 70, 71, 1092, 1093, 1094, 1095, 2116, 2117, 2118, 2119, 3140, 3141,
      3142, 3143, 9000
    };
    for (Elements elements : Elements.values()) {
      scenes.add(
          scene(
              (device, parameters) -> add(parameters, type, lengths),
              builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5),
              elements,
              2));
    }
    for (int length : new int[] {3, 9001}) {
      scenes.add(borrowed(Sgd.sgd(), type, length, 1));
    }
    for (Norm norm : Norm.values()) {
      for (int length : new int[] {4096, 4093}) {
        scenes.add(pairs(norm, List.of(type), length, 150));
      }
    }
    for (Elements elements : List.of(Elements.ORDINARY, Elements.SPECIAL, Elements.RANDOM_BITS)) {
      for (Norm norm : List.of(Norm.L1, Norm.MAX)) {
        scenes.add(
            scene(
                (device, parameters) -> add(parameters, type, lengths),
                builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5, norm),
                elements,
                2));
      }
    }
    // One leaf, many times: half of the differences in its last bit are gone in the root.
    for (Elements elements : List.of(Elements.ORDINARY, Elements.FINITE_EXTREMES)) {
      scenes.add(
          scene(
              (device, parameters) -> add(parameters, type, new int[] {4096}),
              builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5),
              elements,
              30));
    }
    return scenes;
  }

  /**
   * Norms of gradients of which two elements or one are not zero, so that the rounding of single
   * additions shows: the two meet at every height of the tree.
   */
  private static Scene pairs(Norm norm, List<ElementType> types, int length, int steps) {
    return device -> {
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters =
          (d, builder) -> {
            types.forEach(type -> add(builder, type, new int[] {length}));
            return List.of();
          };
      Consumer<OptimizerBuilder> options =
          builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5, norm);
      long mismatches = 0;
      try (Device cpu = Devices.cpu(1);
          EntryScenes.Model ours = new EntryScenes.Model(device, parameters, options);
          EntryScenes.Model theirs = new EntryScenes.Model(cpu, parameters, options)) {
        SplittableRandom random = new SplittableRandom(length);
        for (int step = 0; step < steps; step++) {
          for (int i = 0; i < types.size(); i++) {
            double[] gradient = new double[length];
            int bits = length > 4096 ? 15 : 12;
            int at = random.nextInt(length);
            // Half of them where a thread joins two elements, an instruction for each of eight.
            int other = at ^ 1 << (step % 2 == 0 ? 11 : random.nextInt(bits));
            double magnitude = step % 3 == 0 ? Math.scalb(1.0, random.nextInt(-100, 100)) : 1;
            double[] two = decisive(random, types.get(i));
            gradient[Math.min(other, length - 1)] = magnitude * two[1];
            gradient[at] = magnitude * two[0];
            ours.gradients.get(i).copyFrom(gradient);
            theirs.gradients.get(i).copyFrom(gradient);
          }
          ours.optimizer.step();
          theirs.optimizer.step();
          mismatches +=
              Double.doubleToLongBits(ours.optimizer.gradientNorm())
                      == Double.doubleToLongBits(theirs.optimizer.gradientNorm())
                  ? 0
                  : 1;
        }
        return mismatches;
      }
    };
  }

  /**
   * Two numbers whose sum of squares has another root if it is not fused, and whose own sum is
   * rounded up: where an operation is not the right one, it shows.
   */
  private static double[] decisive(SplittableRandom random, ElementType type) {
    while (true) {
      double a = random.nextDouble(-2, 2) * random.nextDouble(); // all digits, as it is rounded
      double b = random.nextDouble(-2, 2) * random.nextDouble();
      if (type == ElementType.FLOAT64) {
        double exact = a * a + b * b;
        double sum = Math.abs(a) + Math.abs(b);
        double larger = Math.max(Math.abs(a), Math.abs(b));
        double left = Math.min(Math.abs(a), Math.abs(b)) - (sum - larger);
        if (Math.sqrt(exact) != Math.sqrt(Math.fma(a, a, b * b))
            && Math.sqrt(exact) != Math.sqrt(Math.fma(b, b, a * a))
            && left < 0) {
          return new double[] {a, b};
        }
        continue;
      }
      float x = (float) a;
      float y = (float) b;
      if (type.isHalf()) { // whose products are exact
        return new double[] {x, y};
      }
      double exact = (float) Math.sqrt(x * x + y * y);
      if (exact != (float) Math.sqrt(Math.fma(x, x, y * y))
          && exact != (float) Math.sqrt(Math.fma(y, y, x * x))
          && Math.abs(x) + Math.abs(y) > Math.abs((double) x) + Math.abs((double) y)) {
        return new double[] {x, y};
      }
    }
  }

  private static Scene manyLeaves(ElementType type, int tensors, Norm norm) {
    int[] lengths = new int[tensors];
    Arrays.fill(lengths, 1);
    return scene(
        (device, parameters) -> add(parameters, type, lengths),
        builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5, norm),
        Elements.ORDINARY,
        1);
  }

  private static Scene manyLeaves(ElementType type, int tensors, Elements elements) {
    int[] lengths = new int[tensors];
    for (int i = 0; i < tensors; i++) {
      lengths[i] = 1 + i % 3;
    }
    return scene(
        (device, parameters) -> add(parameters, type, lengths),
        builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5),
        elements,
        elements == Elements.ORDINARY ? 3 : 1);
  }

  /** Few leaves whose exponents differ, so that the largest may be at every place. */
  private static Scene unlike(ElementType type, int leaves, Norm norm) {
    int[] lengths = new int[leaves];
    Arrays.fill(lengths, 1);
    int most = type == ElementType.FLOAT64 ? 1000 : 120;
    return device -> {
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters =
          (d, builder) -> add(builder, type, lengths);
      Consumer<OptimizerBuilder> options =
          builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5, norm);
      try (Device cpu = Devices.cpu(1);
          EntryScenes.Model ours = new EntryScenes.Model(device, parameters, options);
          EntryScenes.Model theirs = new EntryScenes.Model(cpu, parameters, options)) {
        SplittableRandom random = new SplittableRandom(leaves);
        long mismatches = 0;
        for (int step = 0; step < 8; step++) {
          for (int i = 0; i < leaves; i++) {
            double[] gradient = {Math.scalb(random.nextDouble(1, 2), random.nextInt(-most, most))};
            ours.gradients.get(i).copyFrom(gradient);
            theirs.gradients.get(i).copyFrom(gradient);
          }
          ours.optimizer.step();
          theirs.optimizer.step();
          mismatches += ours.differencesFrom(theirs);
        }
        return mismatches;
      }
    };
  }

  /** The largest magnitude of a type, whose product with the scale's mantissa is beyond it. */
  private static Scene greatest(ElementType type) {
    return device -> {
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters =
          (d, builder) -> add(builder, type, new int[] {1});
      Consumer<OptimizerBuilder> options =
          builder ->
              builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5, Norm.MAX).gradientScale(0.3);
      try (Device cpu = Devices.cpu(1);
          EntryScenes.Model ours = new EntryScenes.Model(device, parameters, options);
          EntryScenes.Model theirs = new EntryScenes.Model(cpu, parameters, options)) {
        double most = type == ElementType.FLOAT64 ? Double.MAX_VALUE : Float.MAX_VALUE;
        for (EntryScenes.Model model : List.of(ours, theirs)) {
          model.gradients.get(0).copyFrom(new double[] {most});
          model.optimizer.step();
        }
        return ours.differencesFrom(theirs);
      }
    };
  }

  /**
   * Leaves of a whole node of which two are not zero: those that a thread joins first, one pair in
   * each step, so that the rounding of each of its additions shows.
   */
  private static Scene node(ElementType type) {
    int[] lengths = new int[4096];
    Arrays.fill(lengths, 1);
    return device -> {
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters =
          (d, builder) -> add(builder, type, lengths);
      Consumer<OptimizerBuilder> options =
          builder -> builder.rule(Sgd.sgd()).learningRate(0.1).clipNorm(0.5, Norm.L1);
      long mismatches = 0;
      try (Device cpu = Devices.cpu(1);
          EntryScenes.Model ours = new EntryScenes.Model(device, parameters, options);
          EntryScenes.Model theirs = new EntryScenes.Model(cpu, parameters, options)) {
        SplittableRandom random = new SplittableRandom(1);
        for (int step = 0; step < 12; step++) {
          int apart = step < 8 ? 2048 : 1024;
          int at = step % 8 / 4 * 1024 + 4 * random.nextInt(256) + step % 4; // see held_index
          double[] two = decisive(random, type);
          for (EntryScenes.Model model : List.of(ours, theirs)) {
            model.gradients.get(at).copyFrom(new double[] {two[0]});
            model.gradients.get(at + apart).copyFrom(new double[] {two[1]});
            model.optimizer.step();
            model.gradients.get(at).zero();
            model.gradients.get(at + apart).zero();
          }
          mismatches +=
              Double.doubleToLongBits(ours.optimizer.gradientNorm())
                      == Double.doubleToLongBits(theirs.optimizer.gradientNorm())
                  ? 0
                  : 1;
        }
        return mismatches;
      }
    };
  }

  /** The norm as listeners have it, who read a copy that the device keeps. */
  private static Scene reported(ElementType type) {
    return device -> {
      List<List<Double>> norms = new ArrayList<>();
      try (Device cpu = Devices.cpu(1)) {
        for (Device one : List.of(device, cpu)) {
          List<Double> reported = new ArrayList<>();
          Consumer<OptimizerBuilder> options =
              builder ->
                  builder
                      .rule(Sgd.sgd())
                      .learningRate(0.1)
                      .clipNorm(0.5)
                      .listener(report -> reported.add(report.gradientNorm()), 1);
          try (EntryScenes.Model model =
              new EntryScenes.Model(one, (d, b) -> add(b, type, new int[] {1000}), options)) {
            for (int step = 0; step < 3; step++) {
              model.fill(Elements.ORDINARY, new SplittableRandom(step));
              model.optimizer.step();
            }
          }
          norms.add(reported);
        }
      }
      return norms.get(0).size() == 3 && norms.get(0).equals(norms.get(1)) ? 0 : 1;
    };
  }

  static List<Scene> ofRoot() {
    List<Scene> scenes = new ArrayList<>();
    List<ElementType> both = List.of(ElementType.FLOAT32, ElementType.FLOAT64);
    both.forEach(type -> scenes.add(reported(type)));
    both.forEach(type -> scenes.add(node(type)));
    both.forEach(type -> scenes.add(greatest(type)));
    for (Norm norm : Norm.values()) {
      scenes.add(pairs(norm, both, 1, 200));
      scenes.add(pairs(norm, List.of(ElementType.FLOAT32), 40_000, 30));
      scenes.add(pairs(norm, List.of(ElementType.FLOAT64), 40_000, 30));
      for (ElementType type : both) {
        scenes.add(unlike(type, 61, norm));
        scenes.add(unlike(type, 401, norm));
        scenes.add(manyLeaves(type, 4099, norm));
      }
    }
    // As many leaves as a node takes, but one, and two nodes.
    for (ElementType type : List.of(ElementType.FLOAT32, ElementType.FLOAT64)) {
      scenes.add(manyLeaves(type, 8190, Elements.FINITE_EXTREMES));
      scenes.add(manyLeaves(type, 4095, Elements.FINITE_EXTREMES));
      scenes.add(manyLeaves(type, 4095, Elements.ORDINARY));
    }
    int[] lengths = {1, 2000, 4097, 70_000};
    List<List<ElementType>> mixes =
        List.of(
            List.of(ElementType.FLOAT32),
            List.of(ElementType.FLOAT64),
            List.of(ElementType.FLOAT32, ElementType.FLOAT64));
    for (List<ElementType> types : mixes) {
      for (Elements elements : Elements.values()) {
        for (boolean skips : new boolean[] {false, true}) {
          scenes.add(
              scene(
                  (device, parameters) -> {
                    List<Tensor> borrowed = new ArrayList<>();
                    for (ElementType type : types) {
                      borrowed.addAll(add(parameters, type, lengths));
                    }
                    return borrowed;
                  },
                  builder ->
                      builder
                          .rule(Sgd.sgd())
                          .learningRate(0.1)
                          .clipNorm(skips ? 100 : 0.5)
                          .gradientScale(0.3)
                          .skipNonFinite(skips),
                  elements,
                  2));
        }
      }
    }
    return scenes;
  }
}
