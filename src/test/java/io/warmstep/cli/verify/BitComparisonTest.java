package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.ElementType;
import io.warmstep.TestDevices;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.BackendReport;
import io.warmstep.backend.Memory;
import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.cpu.CpuBackend;
import io.warmstep.rule.Rules;
import io.warmstep.rule.UpdateRule;
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
    try (Device device = TestDevices.of(new WrongLastBit(new CpuBackend().open(1)))) {
      BitComparison.Result result = BitComparison.run(device, cases(), (done, total) -> {});
      assertTrue(result.total().mismatches() >= 12, result.total().toString());
      assertEquals(5, result.differences().size());
      String first = result.differences().get(0);
      assertTrue(first.contains(", element 0 of "), first);
      assertTrue(first.contains("Java gives "), first);
    }
  }

  /** A device whose every step flips the lowest bit of the first parameter. */
  private record WrongLastBit(BackendDevice device) implements BackendDevice {
    @Override
    public BackendReport report() {
      return device.report();
    }

    @Override
    public Memory allocate(ElementType type, long length) {
      return device.allocate(type, length);
    }

    @Override
    public Memory borrow(ElementType type, Object source, long offset, long length) {
      return device.borrow(type, source, offset, length);
    }

    @Override
    public StepProgram prepare(StepPlan plan) {
      MemorySlice first = plan.groups().get(0).entries().get(0).values();
      return new WrongStep(device.prepare(plan), first);
    }

    @Override
    public void synchronize() {
      device.synchronize();
    }

    @Override
    public void close() {
      device.close();
    }
  }

  private record WrongStep(StepProgram program, MemorySlice first) implements StepProgram {
    @Override
    public boolean run(double[][] scalars, double unscale) {
      boolean happened = program.run(scalars, unscale);
      float[] value = new float[1];
      first.memory().read(first.offset(), value, 0, 1);
      value[0] = Float.intBitsToFloat(Float.floatToRawIntBits(value[0]) ^ 1);
      first.memory().write(first.offset(), value, 0, 1);
      return happened;
    }

    @Override
    public double gradientNorm() {
      return program.gradientNorm();
    }

    @Override
    public void zeroGradients() {
      program.zeroGradients();
    }

    @Override
    public void close() {
      program.close();
    }
  }
}
