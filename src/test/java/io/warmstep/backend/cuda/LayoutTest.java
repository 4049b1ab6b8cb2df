package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.ElementType;
import io.warmstep.backend.Encoding;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.step.GradientNumber;
import io.warmstep.storage.Storage;
import io.warmstep.testkit.Proxies;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The bytes that Java fills are those that the kernels read. The C++ compiler holds {@code abi.h}
 * to its own numbers; here Java's are held to them.
 */
class LayoutTest {
  /** What an offset has for each number of a group. */
  private static final String NUMBERS = "(?: \\+ (\\d+) \\* WS_GRADIENT_NUMBERS)?";

  private static final Map<String, Integer> ABI = read();

  private static Map<String, Integer> read() {
    String text;
    try {
      text = Files.readString(Path.of("kernels/abi.h"));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    Map<String, Integer> numbers = new HashMap<>();
    for (String pattern :
        List.of(
            "(?m)^WS_AT\\(([\\w<>]+, \\w+), (\\d+)",
            "(?m)^WS_SIZE\\(([\\w<>]+), (\\d+)",
            "(?m)^  (WS_\\w+) = (\\d+)\\b",
            "\\b(WS_\\w*ZERO\\w+|WS_SUM_\\w+) = (\\d+)\\b")) {
      Matcher line = Pattern.compile(pattern + NUMBERS).matcher(text);
      while (line.find()) {
        String each = line.group(3);
        int ofNumbers = each == null ? 0 : Integer.parseInt(each);
        int at = Integer.parseInt(line.group(2)) + ofNumbers * GradientNumber.COUNT;
        numbers.put(line.group(1), at);
      }
    }
    return numbers;
  }

  private static void same(String inAbi, int inJava) {
    assertEquals(ABI.get(inAbi), inJava, inAbi);
  }

  @Test
  void constants() {
    assertTrue(ABI.size() > 50, ABI.toString());
    same("WS_BLOCK", Layout.BLOCK);
    same("WS_TILE", Layout.TILE);
    same("WS_LEAF", StepPlan.LEAF);
    same("WS_INLINE_GROUPS", Layout.INLINE_GROUPS);
    same("WS_MAX_OPERANDS", StepPlan.MAX_OPERANDS);
    same("WS_MAX_SCALARS", StepPlan.MAX_SCALARS);
    same("WS_ZERO_GRADIENTS", Layout.ZERO_GRADIENTS);
    same("WS_ONLY_ZERO_GRADIENTS", Layout.ONLY_ZERO_GRADIENTS);
    same("WS_KEEP_PARAMETERS", Layout.KEEP_PARAMETERS);
    same("WS_ADJUST_GRADIENTS", Layout.ADJUST_GRADIENTS);
    same("WS_MAX_SUMS", StepPlan.MAX_SUMS);
    same("WS_MAX_NUMBERS", StepPlan.MAX_NUMBERS);
    same("WS_MAX_KEPT", StepPlan.MAX_KEPT);
    for (SumKind kind : SumKind.values()) {
      same("WS_SUM_" + kind, kind.code());
    }
  }

  private static int code(ElementType type, Encoding encoding) {
    Memory memory =
        Proxies.of(
            Memory.class,
            (proxy, method, arguments) ->
                method.getName().equals("storage") ? Storage.of(type) : 1);
    MemorySlice slice = new MemorySlice(memory, 0);
    return Encoding.code(new Operand(Operand.Role.STATE, slice, encoding, Optional.empty()));
  }

  @Test
  void waysOfStoring() {
    same("WS_STORED_FLOAT32", code(ElementType.FLOAT32, Encoding.PLAIN));
    same("WS_STORED_FLOAT16", code(ElementType.FLOAT16, Encoding.PLAIN));
    same("WS_STORED_BFLOAT16", code(ElementType.BFLOAT16, Encoding.PLAIN));
    same("WS_STORED_BFLOAT16_RANDOM", code(ElementType.BFLOAT16, Encoding.STOCHASTIC));
    same("WS_STORED_BFLOAT16_MASTER", code(ElementType.BFLOAT16, Encoding.MASTER));
    same("WS_STORED_BFLOAT16_MASTER_24", code(ElementType.BFLOAT16, Encoding.MASTER_24));
    same(
        "WS_STORED_BFLOAT16_MASTER_24_RANDOM",
        code(ElementType.BFLOAT16, Encoding.STOCHASTIC_MASTER_24));
    same("WS_STORED_FLOAT16_MASTER", code(ElementType.FLOAT16, Encoding.MASTER));
    same("WS_STORED_MOMENT_CODES", code(ElementType.BFLOAT16, Encoding.MOMENT_CODES));
    same("WS_STORED_SQUARE_CODES", code(ElementType.BFLOAT16, Encoding.SQUARE_CODES));
    same(
        "WS_STORED_SQUARE_CODES_RANDOM",
        code(ElementType.BFLOAT16, Encoding.STOCHASTIC_SQUARE_CODES));
  }

  /** Java and the kernels list them alike. */
  @Test
  void numbersOfGroups() throws IOException {
    Matcher list =
        Pattern.compile("#define WS_EACH_NUMBER\\(X\\) (.*)")
            .matcher(Files.readString(Path.of("kernels/gradient.h")));
    assertTrue(list.find());
    assertEquals(
        Stream.of(GradientNumber.values())
            .map(number -> "X(" + number.name().toLowerCase(Locale.ROOT) + ")")
            .toList(),
        List.of(list.group(1).split(" ")));
  }

  @Test
  void tables() {
    same("Tile", Layout.TILE_BYTES);
    same("Tensor<float>, values", 0);
    same("Tensor<float>, gradients", 8);
    same("Tensor<float>, state", 16);
    same("Tensor<float>, length", Layout.TENSOR_LENGTH);
    same("Tensor<float>, group", Layout.TENSOR_GROUP);
    same("Tensor<float>, head", Layout.TENSOR_HEAD);
    same("Tensor<float>, rows", Layout.TENSOR_ROWS);
    same("Tensor<float>", Layout.TENSOR_BYTES);
    same("Tensor<double>", Layout.TENSOR_BYTES);
    same("LeafTensor<float>", Layout.LEAF_TENSOR_BYTES);
  }

  @Test
  void arguments() {
    for (ElementType type : List.of(ElementType.FLOAT32, ElementType.FLOAT64)) {
      String real = type == ElementType.FLOAT32 ? "<float>" : "<double>";
      Layout.Step step = Layout.Step.of(type);
      same("StepArguments" + real + ", scale", Layout.Step.SCALE);
      same("StepArguments" + real + ", prescale", step.prescale());
      same("StepArguments" + real + ", clip_value", step.clipValue());
      same("StepArguments" + real + ", flags", step.flags());
      same("StepArguments" + real + ", first_group", step.firstGroup());
      same("StepArguments" + real + ", groups", step.groups());
      same("StepArguments" + real + ", tensor_factors", step.tensorFactors());
      same("StepArguments" + real + ", rows", step.rows());
      same("StepArguments" + real, step.bytes());
      same("Group" + real + ", sign", step.sign());
      same("Group" + real + ", weight_decay", step.gradientNumbers());
      same("Group" + real + ", options", step.options());
      same("Group" + real + ", flags", step.groupFlags());
      same("Group" + real, step.groupBytes());
    }
    same("StepArguments<float>, tiles", Layout.Step.TILES);
    same("StepArguments<float>, tensors", Layout.Step.TENSORS);
    same("StepArguments<float>, table", Layout.Step.TABLE);
    same("StepArguments<float>, norm", Layout.Step.NORM);
  }

  @Test
  void sums() {
    same("SumWhole<float>", Layout.SUM_WHOLE_BYTES);
    same("SumWhole<float>, group", Layout.WHOLE_GROUP);
    same("SumWhole<float>, row_factors", Layout.WHOLE_ROW_FACTORS);
    same("SumWhole<float>, height", Layout.WHOLE_HEIGHT);
    same("SumArguments<float>, leaves", Layout.SUM_LEAVES);
    same("SumArguments<float>, tensors", Layout.SUM_TENSORS);
    same("SumArguments<float>, wholes", Layout.SUM_WHOLES);
    same("SumArguments<float>, sums", Layout.SUM_SUMS);
    same("SumArguments<float>, exponents", Layout.SUM_EXPONENTS);
    same("SumArguments<float>, numbers", Layout.SUM_NUMBERS);
    same("SumArguments<float>, leaf_count", Layout.SUM_LEAF_COUNT);
    same("SumArguments<float>, rule", Layout.SUM_RULE);
    same("SumArguments<float>, kinds", Layout.SUM_KINDS);
    for (ElementType type : List.of(ElementType.FLOAT32, ElementType.FLOAT64)) {
      String struct = type == ElementType.FLOAT32 ? "SumArguments<float>" : "SumArguments<double>";
      same(struct + ", step", Layout.SUM_STEP);
      same(struct, Layout.SUM_STEP + Layout.Step.of(type).bytes());
    }
  }

  @Test
  void mixed() {
    same("MixedTensor, rest", Layout.MIXED_TENSOR_REST);
    same("MixedTensor, average", Layout.MIXED_TENSOR_AVERAGE);
    same("MixedTensor, length", Layout.MIXED_TENSOR_LENGTH);
    same("MixedTensor, first_tile", Layout.MIXED_TENSOR_FIRST_TILE);
    same("MixedTensor, rows", Layout.MIXED_TENSOR_ROWS);
    same("MixedTensor, group", Layout.MIXED_TENSOR_GROUP);
    same("MixedTensor, parameter", Layout.MIXED_TENSOR_PARAMETER);
    same("MixedTensor, stored", Layout.MIXED_TENSOR_STORED);
    same("MixedTensor", Layout.MIXED_TENSOR_BYTES);
    same("MixedArguments, key", Layout.MIXED_KEY);
    same("MixedArguments, step", Layout.MIXED_STEP);
    same("MixedArguments", Layout.MIXED_STEP + Layout.Step.FLOAT.bytes());
    same("MixedSumArguments, key", Layout.MIXED_KEY);
    same("MixedSumArguments, is_first", Layout.MIXED_FIRST);
    same("MixedSumArguments, sums", Layout.MIXED_SUMS);
    same("MixedSumArguments", Layout.MIXED_SUMS + Layout.SUM_STEP + Layout.Step.FLOAT.bytes());
  }

  @Test
  void matrices() {
    same("WS_MATRIX_TRANSPOSES", Layout.MATRIX_TRANSPOSES);
    same("WS_MATRIX_STORES", Layout.MATRIX_STORES);
    same("WS_MATRIX_HALF", Layout.MATRIX_HALF);
    same("WS_MATRIX_COMBINES", Layout.MATRIX_COMBINES);
    same("WS_MATRIX_ADDS", Layout.MATRIX_ADDS);
    same("MatrixPart<float>", Layout.MATRIX_PART_BYTES);
    same("MatrixArguments<float>, parts", Layout.MATRIX_PARTS);
    same("MatrixArguments<float>, numbers", Layout.MATRIX_NUMBERS);
    same("MatrixArguments<float>, norm", Layout.MATRIX_NORM);
    same("MatrixArguments<float>, left", Layout.MATRIX_LEFT);
    same("MatrixArguments<float>, right", Layout.MATRIX_RIGHT);
    same("MatrixArguments<float>, other", Layout.MATRIX_OTHER);
    same("MatrixArguments<float>, out", Layout.MATRIX_OUT);
    for (boolean isDouble : new boolean[] {false, true}) {
      String struct = "MatrixArguments<" + (isDouble ? "double" : "float") + ">";
      same(struct + ", factor", Layout.MATRIX_FACTOR);
      same(struct + ", rows", Layout.matrixRows(isDouble));
      same(struct, Layout.matrixBytes(isDouble));
    }
  }

  @Test
  void norm() {
    same("LeafArguments<float>", Layout.LEAF_ARGUMENTS_BYTES);
    same("LeafArguments<float>, kind", Layout.LEAF_KIND);
    same("TreeArguments<float>", Layout.TREE_BYTES);
    same("NormArguments, doubles", Layout.TREE_BYTES);
    same("NormArguments, result", Layout.NORM_RESULT);
    same("NormArguments, outcome", Layout.NORM_OUTCOME);
    same("NormArguments, arrived", Layout.NORM_ARRIVED);
    same("NormArguments, gradient_scale", Layout.NORM_GRADIENT_SCALE);
    same("NormArguments, clip_norm", Layout.NORM_CLIP);
    same("NormArguments, clip_eps", Layout.NORM_CLIP_EPS);
    same("NormArguments, float_scale", Layout.NORM_FLOAT_SCALE);
    same("NormArguments, scale_mantissa", Layout.NORM_SCALE_MANTISSA);
    same("NormArguments, scale_exponent", Layout.NORM_SCALE_EXPONENT);
    same("NormArguments, skip_non_finite", Layout.NORM_SKIP);
    same("NormArguments, blocks", Layout.NORM_BLOCKS);
    same("NormArguments, kind", Layout.NORM_KIND);
    same("NormArguments, scale", Layout.NORM_SCALE);
    same("NormArguments", Layout.NORM_ARGUMENTS_BYTES);
    same("NormResult, skip", Layout.RESULT_SKIP);
    same("NormResult", Layout.RESULT_BYTES);
  }

  @Test
  void captured() {
    same("GradientScale, float_scale", Layout.SCALE_FLOAT);
    same("GradientScale, mantissa", Layout.SCALE_MANTISSA);
    same("GradientScale, exponent", Layout.SCALE_EXPONENT);
    same("GradientScale", Layout.STATE_LOSS_SCALE);
    same("CapturedState, loss_scale", Layout.STATE_LOSS_SCALE);
    same("CapturedState, launches", Layout.STATE_LAUNCHES);
    same("CapturedState, steps", Layout.STATE_STEPS);
    same("CapturedState, skipped", Layout.STATE_SKIPPED);
    same("CapturedState, early", Layout.STATE_EARLY);
    same("CapturedState, finite_steps", Layout.STATE_FINITE_STEPS);
    same("CapturedState, last_skipped", Layout.STATE_LAST_SKIPPED);
    same("CapturedState", Layout.STATE_BYTES);
    same("CapturedExchange, allowed", Layout.EXCHANGE_ALLOWED);
    same("CapturedExchange, launches", Layout.EXCHANGE_LAUNCHES);
    same("CapturedExchange, steps", Layout.EXCHANGE_STEPS);
    same("CapturedExchange, skipped", Layout.EXCHANGE_SKIPPED);
    same("CapturedExchange, early", Layout.EXCHANGE_EARLY);
    same("CapturedExchange, loss_scale", Layout.EXCHANGE_LOSS_SCALE);
    same("CapturedExchange, finite_steps", Layout.EXCHANGE_FINITE_STEPS);
    same("CapturedExchange, last_skipped", Layout.EXCHANGE_LAST_SKIPPED);
    same("CapturedExchange", Layout.EXCHANGE_BYTES);
    same("CapturedArguments, state", Layout.CAPTURED_STATE);
    same("CapturedArguments, exchange", Layout.CAPTURED_EXCHANGE);
    same("CapturedArguments, result", Layout.CAPTURED_RESULT);
    same("CapturedArguments, slots", Layout.CAPTURED_SLOTS);
    same("CapturedArguments, table", Layout.CAPTURED_TABLE);
    same("CapturedArguments, loss_scale", Layout.CAPTURED_LOSS_SCALE);
    same("CapturedArguments, gradient_scale", Layout.CAPTURED_GRADIENT_SCALE);
    same("CapturedArguments, growth_factor", Layout.CAPTURED_GROWTH_FACTOR);
    same("CapturedArguments, backoff_factor", Layout.CAPTURED_BACKOFF_FACTOR);
    same("CapturedArguments, growth_interval", Layout.CAPTURED_GROWTH_INTERVAL);
    same("CapturedArguments, slot_words", Layout.CAPTURED_SLOT_WORDS);
    same("CapturedArguments, slot_count", Layout.CAPTURED_SLOT_COUNT);
    same("CapturedArguments, has_norm", Layout.CAPTURED_HAS_NORM);
    same("CapturedArguments", Layout.CAPTURED_BYTES);
  }
}
