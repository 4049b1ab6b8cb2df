package io.warmstep.cli.verify;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.LossScaler;
import io.warmstep.Optimizer;
import io.warmstep.OptimizerBuilder;
import io.warmstep.Parameter;
import io.warmstep.ParameterGroup;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.cuda.CudaSim;
import io.warmstep.rule.Asgd;
import io.warmstep.rule.Lookahead;
import io.warmstep.rule.NAdamW;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.Rules;
import io.warmstep.rule.ScheduleFreeSgd;
import io.warmstep.rule.Sgd;
import io.warmstep.rule.StateSlot;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.RuleMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * For an entry of the CUDA kernels, steps that take every way through it: those of {@link BitCase}
 * that need it, and what those leave out. Each gives the number of values that differ from Java's.
 */
final class EntryScenes {
  /** One comparison; fails with an exception where the device does. */
  @FunctionalInterface
  interface Scene {
    long mismatches(Device device);
  }

  private EntryScenes() {}

  /**
   * All of an entry such as {@code adam_float32}, from each of its {@link #parts} one in turn, so
   * that the first few go different ways.
   */
  static List<Scene> of(String entry) {
    List<List<Scene>> parts = parts(entry);
    List<Scene> scenes = new ArrayList<>();
    int longest = parts.stream().mapToInt(List::size).max().orElseThrow();
    for (int i = 0; i < longest; i++) {
      for (List<Scene> part : parts) {
        if (i < part.size()) {
          scenes.add(part.get(i));
        }
      }
    }
    return scenes;
  }

  /** The same apart: what the forms of a rule share, and each form's. */
  static List<List<Scene>> parts(String entry) {
    if (entry.startsWith("mixed_")) {
      return mixed(entry.substring("mixed_".length()));
    }
    String kind = entry.substring(0, entry.lastIndexOf('_'));
    String type = entry.substring(entry.lastIndexOf('_') + 1);
    return switch (kind) {
      case "numbers" -> List.of(SumScenes.ofNumbers(ElementType.valueOf(upper(type))));
      case "groups" -> List.of(tables(ElementType.valueOf(upper(type))));
      case "global" -> List.of(NormScenes.ofRoot());
      case "captured" -> List.of(CapturedScenes.all());
      case "lookahead" -> List.of(lookaheads(ElementType.valueOf(upper(type))));
      case "interpolation" -> List.of(evaluations(ElementType.valueOf(upper(type))));
      case "leaves" -> List.of(NormScenes.ofLeaves(ElementType.valueOf(upper(type))));
      case "matrix_copy", "matrix_product" ->
          List.of(MatrixScenes.of(ElementType.valueOf(upper(type))));
      case "factor_tiles", "factor_join" -> update("adafactor", ElementType.valueOf(upper(type)));
      default -> {
        String rule = kind.replaceFirst("^(sums|first)_", "");
        List<List<Scene>> parts = update(rule, ElementType.valueOf(upper(type)));
        if (kind.startsWith("sums_")) {
          parts.add(0, SumScenes.of(usual(rule), ElementType.valueOf(upper(type)), false));
        }
        yield parts;
      }
    };
  }

  /** Of a rule's entry for all ways to store operands, which is that of 16-bit types, too. */
  private static List<List<Scene>> mixed(String rule) {
    List<List<Scene>> parts =
        new ArrayList<>(List.of(MixedScenes.of(rule), MixedScenes.measured(rule)));
    for (ElementType type : List.of(ElementType.FLOAT16, ElementType.BFLOAT16)) {
      if (usual(rule).sums().isPresent()) {
        parts.add(SumScenes.of(usual(rule), type, false));
      }
      parts.addAll(update(rule, type));
    }
    return parts;
  }

  /** More groups than go with a launch, of rules that use all of a group's numbers. */
  private static List<Scene> tables(ElementType type) {
    return Rules.ofEachKernel().stream()
        .filter(rule -> rule.sums().isEmpty())
        .map(UpdateRule::kernel)
        .map(kernel -> manyGroups(kernel, type, 40))
        .toList();
  }

  /**
   * Lengths of tensors of two groups in turn, so that those of one do not join: shorter than what
   * comes before the first vector, and longer.
   */
  private static int[] interleaved() {
    int[] lengths = new int[60];
    for (int i = 0; i < lengths.length; i++) {
      lengths[i] = i % 20 == 7 ? 6001 + i : 1 + i * 7 % 11;
    }
    return lengths;
  }

  /** Slow weights of tensors wherever vectors begin. */
  private static List<Scene> lookaheads(ElementType type) {
    List<Scene> scenes = new ArrayList<>();
    for (Elements elements : Elements.values()) {
      scenes.add(
          scene(
              (device, parameters) -> add(parameters, type, interleaved()),
              builder -> twoLookaheads(builder, type, 2, 3),
              elements,
              3));
    }
    // Steps that change nothing, and weights that nearly cancel each other.
    scenes.add(
        device -> {
          Consumer<OptimizerBuilder> options = builder -> twoLookaheads(builder, type, 1, 1);
          try (Device cpu = Devices.cpu(1);
              Model ours = new Model(device, (d, b) -> add(b, type, interleaved()), options);
              Model theirs = new Model(cpu, (d, b) -> add(b, type, interleaved()), options)) {
            for (Model model : List.of(ours, theirs)) {
              model.fill(Elements.ORDINARY, new SplittableRandom(9));
              model.optimizer.step();
              for (Tensor gradients : model.gradients) {
                Elements.write(gradients, new long[(int) gradients.length()]);
              }
              for (int i = 0; i < model.values.size(); i++) {
                oppose(model.values.get(i), model.state().get(i), i % 2 == 0 ? 0.3 : 0.4);
              }
              model.optimizer.step();
            }
            return ours.differencesFrom(theirs);
          }
        });
    scenes.add(device -> skippedLookaheads(device, type));
    UpdateRule rule = Lookahead.around(Sgd.sgd()).k(2).alpha(0.7);
    for (int skew : new int[] {0, 1}) {
      scenes.add(borrowed(rule, type, 6001, skew));
    }
    return scenes;
  }

  /** Every third step does not happen, which the device alone knows. */
  private static long skippedLookaheads(Device device, ElementType type) {
    Consumer<OptimizerBuilder> options =
        builder -> twoLookaheads(builder.skipNonFinite(true).zeroGradients(true), type, 2, 3);
    try (Device cpu = Devices.cpu(1);
        Model ours = new Model(device, (d, b) -> add(b, type, interleaved()), options);
        Model theirs = new Model(cpu, (d, b) -> add(b, type, interleaved()), options)) {
      for (int step = 1; step <= 9; step++) {
        for (Model model : List.of(ours, theirs)) {
          model.fill(Elements.ORDINARY, new SplittableRandom(step));
          if (step % 3 == 0) {
            model.gradients.get(step).slice(0, 1).copyFrom(new float[] {Float.NaN});
          }
          model.optimizer.step();
        }
      }
      return ours.differencesFrom(theirs);
    } finally {
      freeMemory();
    }
  }

  /** Two rules of groups in turn, whose slow weights move together or not. */
  private static void twoLookaheads(OptimizerBuilder builder, ElementType type, int k, int other) {
    builder.rule(Lookahead.around(Sgd.sgd()).k(k).alpha(0.7)).learningRate(0.1);
    for (int i = 1; i < interleaved().length; i += 2) {
      builder.group(
          ParameterGroup.matching(type + "." + i)
              .rule(Lookahead.around(Sgd.sgd()).k(other).alpha(0.6)));
    }
  }

  /** Makes another tensor of one, so that the one moved by a weight towards the other is near 0. */
  private static void oppose(Tensor values, Tensor other, double weight) {
    double[] numbers = values.toDoubles();
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] *= -(1 - weight) / weight;
    }
    other.copyFrom(numbers);
  }

  /** Weights to evaluate with, of tensors wherever vectors begin and of more groups than few. */
  private static List<Scene> evaluations(ElementType type) {
    List<Scene> scenes = new ArrayList<>();
    for (Elements elements : Elements.values()) {
      scenes.add(evaluated(type, interleaved(), 4, elements, false));
    }
    scenes.add(evaluated(type, interleaved(), 4, Elements.ORDINARY, true));
    int[] lengths = new int[40];
    Arrays.setAll(lengths, i -> 10 * i + 1);
    scenes.add(evaluated(type, lengths, 20, Elements.ORDINARY, false));
    scenes.add(accumulated(type));
    return scenes;
  }

  /** A sum that is copied to gradients of the user's, which it is not aligned with. */
  private static Scene accumulated(ElementType type) {
    Consumer<OptimizerBuilder> options = builder -> builder.rule(Sgd.sgd()).learningRate(0.1);
    return device -> {
      try (Device cpu = Devices.cpu(1);
          Model ours = new Model(device, (d, b) -> borrow(d, b, type, 6001, 0), options);
          Model theirs = new Model(cpu, (d, b) -> borrow(d, b, type, 6001, 0), options)) {
        for (Model model : List.of(ours, theirs)) {
          model.fill(Elements.ORDINARY, new SplittableRandom(9));
          model.optimizer.accumulate();
          model.optimizer.accumulate();
          model.optimizer.step();
        }
        return ours.differencesFrom(theirs);
      }
    };
  }

  private static Scene evaluated(
      ElementType type, int[] lengths, int groups, Elements elements, boolean opposes) {
    Consumer<OptimizerBuilder> options =
        builder -> {
          builder.rule(ScheduleFreeSgd.scheduleFreeSgd().warmupSteps(3)).learningRate(0.1);
          builder.group(ParameterGroup.matching(type + ".0").rule(Asgd.asgd().t0(1)));
          for (int i = 1; i < groups; i++) {
            UpdateRule rule = ScheduleFreeSgd.scheduleFreeSgd().momentum(momentum(i));
            for (int j = i; j < lengths.length; j += groups) {
              builder.group(ParameterGroup.matching(type + "." + j).rule(rule));
            }
          }
        };
    return device -> {
      try (Device cpu = Devices.cpu(1);
          Model ours = new Model(device, (d, b) -> add(b, type, lengths), options);
          Model theirs = new Model(cpu, (d, b) -> add(b, type, lengths), options)) {
        for (Model model : List.of(ours, theirs)) {
          model.fill(elements, new SplittableRandom(9));
          model.optimizer.step();
          model.optimizer.step(); // now what is evaluated is not what is trained
          for (int i = 0; i < lengths.length && opposes; i++) {
            if (i % groups != 0) {
              Tensor z = model.optimizer.state(type + "." + i, "z");
              oppose(model.values.get(i), z, 1 - 1 / momentum(i % groups));
            }
          }
          model.optimizer.eval();
        }
        long mismatches = ours.differencesFrom(theirs);
        for (Model model : List.of(ours, theirs)) {
          model.optimizer.train();
        }
        return mismatches + ours.differencesFrom(theirs);
      }
    };
  }

  private static double momentum(int group) {
    return 1 - group / 30.0;
  }

  private static UpdateRule usual(String kernel) {
    return Rules.ofEachKernel().stream()
        .filter(one -> one.kernel().equals(kernel))
        .map(RuleMatrix::withFewProducts)
        .findFirst()
        .orElseThrow();
  }

  /**
   * A rule's forms under a kernel, but for what a group of a scene or the comparisons of {@link
   * BitCase} have: weight decay, and that one maximizes.
   */
  private static List<UpdateRule> formsUnder(String kernel) {
    return Rules.forms().stream()
        .filter(form -> form.kernel().equals(kernel))
        .filter(form -> !Boolean.TRUE.equals(RuleSettings.values(form).get("maximize")))
        .filter(form -> form.equals(form.weightDecay(0)))
        .map(RuleMatrix::withFewProducts)
        .toList();
  }

  private static String upper(String type) {
    return type.toUpperCase(java.util.Locale.ROOT);
  }

  private static List<List<Scene>> update(String rule, ElementType type) {
    List<UpdateRule> forms = formsUnder(rule);
    List<List<Scene>> parts = new ArrayList<>();
    parts.add(shared(rule, type, forms));
    for (UpdateRule form : forms) {
      List<Scene> own = new ArrayList<>(crossed(form, type, 0, false));
      own.addAll(StateScenes.of(form, type));
      if (MeasuredScenes.areThere(form, type)) {
        own.addAll(MeasuredScenes.of(form, type));
      }
      for (int skew : new int[] {0, 1}) {
        for (int length : new int[] {3, 6001}) {
          own.add(borrowed(form, type, length, skew));
        }
      }
      own.addAll(crossed(form, type, 1, false));
      own.addAll(rare(form, type));
      parts.add(own);
    }
    return parts;
  }

  /** What needs one form only, or all of them. */
  private static List<Scene> shared(String rule, ElementType type, List<UpdateRule> forms) {
    UpdateRule plain = forms.get(0);
    List<Scene> scenes = new ArrayList<>();
    scenes.add(manyGroups(rule, type, 20));
    scenes.add(zeroedAlone(plain, type));
    scenes.add(skipped(plain, type));
    scenes.add(manyStaying(plain, type));
    if (plain.sums().isEmpty()) {
      scenes.add(clippedTensors(plain, type));
    }
    scenes.add(
        staying(
            plain,
            type,
            new int[] {700, 2051, 3, 4096},
            Elements.SPECIAL,
            builder -> builder.skipNonFinite(true).zeroGradients(true)));
    for (BitCase one : BitCase.all(type)) {
      if (one.rule().kernel().equals(rule)
          && !isLong(one)
          && !MatrixScenes.has(one)
          && one.storing().equals(Storing.plain(type))) {
        scenes.add(of(one.under(RuleMatrix.withFewProducts(one.rule()))));
      }
    }
    return scenes;
  }

  /** The same ways where a group's parameters stay, and factors of gradients beyond float32. */
  private static List<Scene> rare(UpdateRule form, ElementType type) {
    List<Scene> scenes = new ArrayList<>();
    int[] lengths = {700, 2051, 3, 4096};
    scenes.addAll(crossed(form, type, 0, true));
    for (Elements elements : Elements.values()) {
      scenes.add(staying(form, type, lengths, elements, builder -> {}));
    }
    scenes.add(
        staying(
            form,
            type,
            lengths,
            Elements.ORDINARY,
            builder -> builder.clipValue(0.5).clipNorm(100).zeroGradients(true)));
    scenes.add(staying(form, type, lengths, Elements.SPECIAL, builder -> builder.clipValue(0.5)));
    if (type != ElementType.FLOAT64) {
      for (double scale : new double[] {0x1.3p-66, 0x1.3p66}) {
        for (Elements elements : List.of(Elements.ORDINARY, Elements.FINITE_EXTREMES)) {
          scenes.add(
              scene(
                  (device, parameters) -> add(parameters, type, lengths),
                  builder ->
                      builder
                          .rule(form)
                          .learningRate(0.1)
                          .gradientScale(scale)
                          .lossScaler(LossScaler.fixed(1 / scale)),
                  elements,
                  2));
        }
      }
    }
    if (form instanceof NAdamW && form.sums().isPresent()) {
      scenes.add(nearlyAgreeing(form, type));
    }
    return scenes;
  }

  /**
   * A leaf in which no element agrees with its look ahead, but all would if the product in the
   * average were rounded by itself; and behind it elements that agree, but would not if the product
   * in the look ahead were.
   */
  private static Scene nearlyAgreeing(UpdateRule form, ElementType type) {
    int length = StepPlan.LEAF + 5;
    double[] m = new double[length];
    double[] g = new double[length];
    double[] first = nearlyAgreeing(type, (fused, average, ahead) -> fused < 0 && average > 0);
    double[] second = nearlyAgreeing(type, (fused, average, ahead) -> fused > 0 && ahead == 0);
    for (int i = 0; i < length; i++) {
      double[] its = i < StepPlan.LEAF ? first : second;
      m[i] = its[0];
      g[i] = its[1];
    }
    return device -> {
      Consumer<OptimizerBuilder> options = builder -> builder.rule(form).learningRate(0.1);
      try (Device cpu = Devices.cpu(1);
          Model ours = new Model(device, (d, p) -> add(p, type, new int[] {length}), options);
          Model theirs = new Model(cpu, (d, p) -> add(p, type, new int[] {length}), options)) {
        for (Model model : List.of(ours, theirs)) {
          model.fill(Elements.ORDINARY, new SplittableRandom(0));
          model.gradients.get(0).copyFrom(g);
          model.optimizer.state(type + ".0", "exp_avg").copyFrom(m);
          model.optimizer.step();
        }
        return ours.differencesFrom(theirs);
      }
    };
  }

  /** Of a look ahead: as it is, and with a product rounded by itself, in the average or in it. */
  private interface Rounded {
    boolean test(double fused, double average, double ahead);
  }

  /** Returns an average and a gradient. */
  private static double[] nearlyAgreeing(ElementType type, Rounded sought) {
    double beta = 0.9;
    float b = (float) beta;
    SplittableRandom random = new SplittableRandom(8);
    while (true) {
      double g = random.nextDouble(1, 2);
      double m = -(1 - beta) * (1 + beta) / (beta * beta) * g;
      boolean isFound;
      if (type == ElementType.FLOAT64) {
        double fresh = (1 - beta) * g;
        double average = Math.fma(beta, m, fresh);
        isFound =
            sought.test(
                Math.fma(beta, average, fresh),
                Math.fma(beta, beta * m + fresh, fresh),
                beta * average + fresh);
      } else {
        float fresh = (float) (1 - beta) * (float) g;
        float average = Math.fma(b, (float) m, fresh);
        isFound =
            sought.test(
                Math.fma(b, average, fresh),
                Math.fma(b, b * (float) m + fresh, fresh),
                b * average + fresh);
      }
      if (isFound) {
        return new double[] {m, g};
      }
    }
  }

  /**
   * Gradients that are clipped tensor by tensor, in two ways, and those of a tensor that are not.
   */
  private static Scene clippedTensors(UpdateRule rule, ElementType type) {
    return scene(
        (device, parameters) -> add(parameters, type, new int[] {700, 2051, 3, 6001, 40}),
        builder ->
            builder
                .rule(rule)
                .learningRate(0.1)
                .gradientScale(0.3)
                .adaptiveClip(0.05)
                .group(ParameterGroup.matching(type + ".1").adaptiveClip(0))
                .group(ParameterGroup.matching(type + ".2").adaptiveClip(0.5, 10)),
        Elements.ORDINARY,
        2);
  }

  private static Scene manyStaying(UpdateRule form, ElementType type) {
    int[] many = new int[40];
    for (int i = 0; i < many.length; i++) {
      many[i] = 10 * i + 1;
    }
    return staying(
        form,
        type,
        many,
        Elements.ORDINARY,
        builder -> {
          builder.zeroGradients(true); // also those of a group that is not updated
          for (int i = 1; i < 20; i++) {
            ParameterGroup group =
                ParameterGroup.matching(type + "." + i).learningRateFactor(i % 3);
            builder.group(decayed(group, form, i / 90.0));
          }
        });
  }

  /**
   * Every loop that the options split an entry into: clipped or not, zeroed or not, and of two
   * groups one decays. The parameters are what the step nearly cancels, so that what is left shows
   * the last bits of all that was rounded before, in 16 bits too.
   */
  private static List<Scene> crossed(UpdateRule rule, ElementType type, int skew, boolean stays) {
    List<Scene> scenes = new ArrayList<>();
    for (double bound : new double[] {0, 0.3}) {
      for (boolean zeroes : new boolean[] {false, true}) {
        BiFunction<Device, ParametersBuilder, List<Tensor>> parameters =
            (device, builder) -> {
              List<Tensor> memory = new ArrayList<>();
              for (String name : List.of("plain", "decayed")) {
                Tensor values = memory(device, type, 0, 6001);
                Tensor gradients = memory(device, type, skew, 6001);
                memory.addAll(List.of(values, gradients));
                builder.borrow(name, values, gradients);
                builder.shape(name, MatrixShapes.of(6001));
              }
              if (stays) {
                builder.add("stays", type, 300).shape("stays", MatrixShapes.of(300));
              }
              return memory;
            };
        Consumer<OptimizerBuilder> options =
            builder -> {
              // Not one that a bias correction makes a 1, with which all products are exact.
              builder.rule(rule).learningRate(0.07).gradientScale(0.3).zeroGradients(zeroes);
              builder.group(decayed(ParameterGroup.matching("decayed"), rule, 0.02));
              if (stays) {
                builder.group(ParameterGroup.matching("stays").learningRateFactor(0));
              }
              if (bound > 0) {
                builder.clipValue(bound);
              }
            };
        scenes.add(device -> cancelled(device, parameters, options));
        scenes.add(scene(parameters, options, Elements.ORDINARY, 2));
      }
    }
    return scenes;
  }

  private static long cancelled(
      Device device,
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters,
      Consumer<OptimizerBuilder> options) {
    try (Device cpu = Devices.cpu(1);
        Model probe = new Model(cpu, parameters, options);
        Model ours = new Model(device, parameters, options);
        Model theirs = new Model(cpu, parameters, options)) {
      probe.fillWithState(new SplittableRandom(3));
      probe.values.forEach(tensor -> Elements.write(tensor, new long[(int) tensor.length()]));
      probe.optimizer.step();
      for (Model model : List.of(ours, theirs)) {
        model.fillWithState(new SplittableRandom(3));
        for (int i = 0; i < model.values.size(); i++) {
          double[] step = probe.values.get(i).toDoubles();
          for (int j = 0; j < step.length; j++) {
            step[j] = -step[j];
          }
          model.values.get(i).copyFrom(step);
        }
        model.optimizer.step();
      }
      return ours.differencesFrom(theirs);
    } finally {
      freeMemory();
    }
  }

  /** With a group at rate 0 beside the others. */
  private static Scene staying(
      UpdateRule rule,
      ElementType type,
      int[] lengths,
      Elements elements,
      Consumer<OptimizerBuilder> options) {
    return scene(
        (device, parameters) -> {
          parameters.add("stays", type, 300).shape("stays", MatrixShapes.of(300));
          return add(parameters, type, lengths);
        },
        builder ->
            options.accept(
                builder
                    .rule(rule)
                    .learningRate(0.1)
                    .group(ParameterGroup.matching("stays").learningRateFactor(0))),
        elements,
        2);
  }

  /** A large tensor or many steps: other data on the same ways. */
  static boolean isLong(BitCase one) {
    return one.steps() > 100 || one.lengths().equals(List.of(1_000_003));
  }

  static Scene of(BitCase one) {
    return device ->
        BitComparison.run(device, List.of(one), (done, total) -> {}).total().mismatches();
  }

  static List<Tensor> add(ParametersBuilder parameters, ElementType type, int[] lengths) {
    for (int i = 0; i < lengths.length; i++) {
      String name = type + "." + i;
      parameters.add(name, type, lengths[i]).shape(name, MatrixShapes.of(lengths[i]));
    }
    return List.of();
  }

  /** A group with a weight decay of its own, if its rule has one, otherwise with another rate. */
  private static ParameterGroup decayed(ParameterGroup group, UpdateRule rule, double decay) {
    return RuleSettings.has(rule, "weightDecay")
        ? group.weightDecay(decay)
        : group.learningRateFactor(1 - decay);
  }

  /** So many groups that their numbers go through a table, of the forms under a kernel in turn. */
  private static Scene manyGroups(String kernel, ElementType type, int groups) {
    List<UpdateRule> forms =
        Rules.forms().stream()
            .filter(form -> form.kernel().equals(kernel))
            .map(RuleMatrix::withFewProducts)
            .toList();
    int[] lengths = new int[2 * groups];
    for (int i = 0; i < lengths.length; i++) {
      lengths[i] = 10 * i + 1;
    }
    return scene(
        (device, parameters) -> add(parameters, type, lengths),
        builder -> {
          builder.rule(forms.get(0)).learningRate(0.1);
          for (int i = 1; i < groups; i++) {
            UpdateRule form = forms.get(i % forms.size());
            ParameterGroup group =
                ParameterGroup.matching(type + "." + i)
                    .rule(form)
                    .learningRateFactor(i % 5 == 4 ? 0 : 1 + i / 7.0);
            builder.group(decayed(group, form, i / 90.0));
          }
        },
        Elements.ORDINARY,
        3);
  }

  /** Where vectors would begin at other elements, in one array or in all. */
  static Scene borrowed(UpdateRule rule, ElementType type, int length, int skew) {
    return scene(
        (device, parameters) -> borrow(device, parameters, type, length, skew),
        builder -> builder.rule(rule).learningRate(0.1).clipNorm(0.5).zeroGradients(true),
        Elements.ORDINARY,
        2);
  }

  private static List<Tensor> borrow(
      Device device, ParametersBuilder parameters, ElementType type, int length, int skew) {
    List<Tensor> borrowed = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      borrowed.add(memory(device, type, i == 0 ? 3 : 3 + skew, length));
    }
    parameters.borrow("p", borrowed.get(0), borrowed.get(1));
    parameters.shape("p", MatrixShapes.of(length));
    return borrowed;
  }

  /**
   * On the GPU memory of the user's that is left behind: the simulator's own count goes with it.
   */
  static Tensor memory(Device device, ElementType type, int offset, int length) {
    if (device.report().backend().equals("cpu")) {
      return device.allocate(type, length);
    }
    long address = CudaSim.newMemory((length + 8L) * type.bytes());
    ADDRESSES.add(address);
    return device.borrowHandle(type, address, offset, length);
  }

  private static final List<Long> ADDRESSES = new ArrayList<>();

  /** Once nothing of {@link #memory} is in use. */
  static void freeMemory() {
    ADDRESSES.forEach(CudaSim::freeMemory);
    ADDRESSES.clear();
  }

  /** Steps of which one is skipped. The tensors fill their memory to its end. */
  private static Scene skipped(UpdateRule rule, ElementType type) {
    return scene(
        (device, parameters) -> add(parameters, type, new int[] {125, 2051}),
        builder -> builder.rule(rule).learningRate(0.1).skipNonFinite(true).zeroGradients(true),
        Elements.SPECIAL,
        2);
  }

  private static Scene zeroedAlone(UpdateRule rule, ElementType type) {
    return device -> {
      try (Model ours =
          new Model(
              device,
              (d, parameters) -> add(parameters, type, new int[] {700, 2051, 4099}),
              builder -> builder.rule(rule).learningRate(0.1))) {
        ours.fill(Elements.RANDOM_BITS, new SplittableRandom(5));
        ours.optimizer.zeroGradients();
        long mismatches = 0;
        for (Tensor tensor : ours.gradients) {
          for (long bits : Elements.read(tensor)) {
            mismatches += bits == 0 ? 0 : 1;
          }
        }
        return mismatches;
      }
    };
  }

  static Scene scene(
      BiFunction<Device, ParametersBuilder, List<Tensor>> parameters,
      Consumer<OptimizerBuilder> options,
      Elements elements,
      int steps) {
    return device -> {
      try (Device cpu = Devices.cpu(1);
          Model ours = new Model(device, parameters, options);
          Model theirs = new Model(cpu, parameters, options)) {
        long mismatches = 0;
        for (int step = 0; step < steps; step++) {
          ours.fill(elements, new SplittableRandom(step));
          theirs.fill(elements, new SplittableRandom(step));
          ours.optimizer.step();
          theirs.optimizer.step();
          mismatches += ours.differencesFrom(theirs);
        }
        return mismatches;
      } finally {
        freeMemory();
      }
    };
  }

  /** Parameters and an optimizer on one device. */
  static final class Model implements AutoCloseable {
    private static final Set<String> SQUARES =
        Rules.forms().stream()
            .flatMap(form -> form.stateSlots().stream())
            .filter(slot -> slot.content() == StateSlot.Content.SQUARE)
            .map(StateSlot::name)
            .collect(Collectors.toSet());

    final Parameters parameters;
    final Optimizer optimizer;
    final List<Tensor> values = new ArrayList<>();
    final List<Tensor> gradients = new ArrayList<>();
    final List<Tensor> borrowed;

    Model(
        Device device,
        BiFunction<Device, ParametersBuilder, List<Tensor>> add,
        Consumer<OptimizerBuilder> options) {
      ParametersBuilder builder = Parameters.on(device);
      borrowed = add.apply(device, builder);
      parameters = builder.build();
      OptimizerBuilder optimizerBuilder = Optimizer.of(parameters);
      options.accept(optimizerBuilder);
      optimizer = optimizerBuilder.build();
      parameters.forEach(
          parameter -> {
            values.add(parameter.values());
            gradients.add(parameter.gradients());
          });
    }

    /** Not before the values are there: what begins as a copy of them follows them until then. */
    List<Tensor> state() {
      List<Tensor> state = new ArrayList<>();
      parameters.forEach(
          parameter ->
              optimizer
                  .stateNames(parameter.name())
                  .forEach(slot -> state.add(optimizer.state(parameter.name(), slot))));
      return state;
    }

    void fill(Elements elements, SplittableRandom random) {
      for (Tensor tensor : values) {
        write(tensor, Elements.ORDINARY, random);
      }
      for (Tensor tensor : gradients) {
        write(tensor, elements, random);
      }
    }

    /** State like that after many steps: in the first one all steps of some rules are alike. */
    void fillWithState(SplittableRandom random) {
      fill(Elements.ORDINARY, random);
      for (Parameter parameter : parameters) {
        for (String name : optimizer.stateNames(parameter.name())) {
          Tensor slot = optimizer.state(parameter.name(), name);
          boolean isSquare = SQUARES.contains(name);
          double[] numbers = new double[(int) slot.length()];
          if (numbers.length == parameter.length()) { // not one number of the whole tensor
            Arrays.setAll(numbers, i -> random.nextDouble(isSquare ? 0 : -1, 1));
            slot.copyFrom(numbers);
          }
        }
      }
    }

    private static void write(Tensor tensor, Elements elements, SplittableRandom random) {
      Elements.write(
          tensor, elements.choose(random, tensor.type(), Math.toIntExact(tensor.length())));
    }

    long differencesFrom(Model other) {
      long mismatches =
          optimizer.stepCount() == other.optimizer.stepCount()
                  && Double.doubleToLongBits(optimizer.gradientNorm())
                      == Double.doubleToLongBits(other.optimizer.gradientNorm())
              ? 0
              : 1;
      for (int i = 0; i < values.size(); i++) {
        mismatches += differences(values.get(i), other.values.get(i));
        mismatches += differences(gradients.get(i), other.gradients.get(i));
      }
      List<Tensor> state = state();
      List<Tensor> others = other.state();
      for (int i = 0; i < state.size(); i++) {
        mismatches += differences(state.get(i), others.get(i));
      }
      return mismatches;
    }

    private static long differences(Tensor ours, Tensor theirs) {
      if (Elements.areAlike(ours, theirs)) {
        return 0;
      }
      long[] actual = Elements.read(ours);
      long[] expected = Elements.read(theirs);
      long mismatches = 0;
      for (int i = 0; i < actual.length; i++) {
        mismatches += actual[i] == expected[i] ? 0 : 1;
      }
      return mismatches;
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.close();
      borrowed.forEach(Tensor::close);
    }
  }
}
