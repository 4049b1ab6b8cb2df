package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.TestDevices;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.WrongDevice;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BitComparisonTest {
  private static List<BitCase> cases() {
    return BitCase.all(ElementType.FLOAT32).subList(0, 12);
  }

  @Test
  void theJavaBackendIsTheSameOnTwoThreads() {
    try (Device device = Devices.cpu(2)) {
      BitComparison.Result result = BitComparison.run(device, cases(), (done, total) -> {});
      assertEquals(0, result.total().mismatches(), String.valueOf(result.differences()));
      assertTrue(result.total().values() > 12 * 2 * 8000, result.total().toString());
      assertEquals(List.of(), result.differences());
    }
  }

  @Test
  void everyFormIsRunInEveryType() {
    for (ElementType type : ElementType.values()) {
      Set<UpdateRule> forms = new HashSet<>();
      Set<Elements> elements = new HashSet<>();
      Set<BitCase.Extra> extras = new HashSet<>();
      for (BitCase one : BitCase.all(type)) {
        forms.add(one.rule());
        elements.add(one.elements());
        extras.add(one.extra());
      }
      assertTrue(forms.containsAll(Rules.forms()));
      assertEquals(Set.of(Elements.values()), elements);
      assertEquals(Set.of(BitCase.Extra.values()), extras);
    }
  }

  @Test
  void aWrongLastBitIsFound() {
    BackendDevice cpu = new CpuBackend().open(new DeviceOptions(-1, 1));
    BackendDevice wrong = new WrongDevice(cpu, cpu.report(), BitComparisonTest::flipLowestBit);
    try (Device device = TestDevices.of(wrong)) {
      BitComparison.Result result = BitComparison.run(device, cases(), (done, total) -> {});
      assertTrue(result.total().mismatches() >= 12, result.total().toString());
      assertEquals(5, result.differences().size());
      String first = result.differences().get(0);
      assertTrue(first.contains(", element 0 of "), first);
      assertTrue(first.contains("Java gives "), first);
    }
  }

  private static void flipLowestBit(StepPlan plan) {
    MemorySlice values = plan.groups().get(0).entries().get(0).values();
    float[] first = new float[1];
    values.memory().read(values.offset(), first, 0, 1);
    first[0] = Float.intBitsToFloat(Float.floatToRawIntBits(first[0]) ^ 1);
    values.memory().write(values.offset(), first, 0, 1);
  }
}
