package io.warmstep.cli.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.TestDevices;
import io.warmstep.backend.BackendDevice;
import io.warmstep.backend.DeviceOptions;
import io.warmstep.backend.StepProgram;
import io.warmstep.backend.cuda.CudaBackend;
import io.warmstep.backend.cuda.CudaSim;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is compared of captured steps, on a device that captures: graphs, and not plain steps. */
@Tag("cudasim")
class CapturedCasesTest {
  @BeforeAll
  static void load() {
    CudaSim.load();
  }

  @ParameterizedTest
  @EnumSource
  void areTakenInGraphs(ElementType type) {
    List<BitCase> cases =
        BitCase.all(type).stream().filter(one -> one.extra() == BitCase.Extra.CAPTURED).toList();
    assertFalse(cases.isEmpty());
    List<String> calls = new ArrayList<>();
    BackendDevice cuda = new CudaBackend().open(new DeviceOptions(-1, 0));
    try (Device device = TestDevices.of(noting(cuda, calls))) {
      BitComparison.Result result = BitComparison.run(device, cases, (done, total) -> {});
      assertEquals(0, result.total().mismatches(), String.valueOf(result.differences()));
      assertTrue(result.total().values() > 0);
    }
    assertTrue(calls.contains("capture"), calls::toString);
    assertFalse(calls.contains("run"), calls::toString);
  }

  /** A device whose prepared steps note what they are asked for. */
  private static BackendDevice noting(BackendDevice device, List<String> calls) {
    return proxy(
        BackendDevice.class,
        device,
        (name, result) -> {
          if (!name.equals("prepare")) {
            return result;
          }
          return proxy(
              StepProgram.class,
              result,
              (called, its) -> {
                calls.add(called);
                return its;
              });
        });
  }

  /** What becomes of a call's result. */
  private interface Change {
    Object of(String method, Object result);
  }

  private static <T> T proxy(Class<T> type, Object target, Change change) {
    Object proxy =
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (self, method, arguments) -> {
              try {
                return change.of(method.getName(), method.invoke(target, arguments));
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
    return type.cast(proxy);
  }
}
