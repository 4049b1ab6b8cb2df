package io.warmstep.backend.opencl;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.warmstep.DeviceException;
import io.warmstep.contract.AllocationTest;
import io.warmstep.contract.NonFiniteTest;
import io.warmstep.rule.Adam;
import io.warmstep.rule.Lamb;
import io.warmstep.rule.Muon;
import io.warmstep.rule.UpdateRule;
import io.warmstep.testkit.ContractBackend;
import java.util.stream.Stream;
import org.jocl.CL;
import org.jocl.CLException;
import org.jocl.cl_context;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.provider.Arguments;

/** Another user of JOCL in the process can make it throw: everything must stay as it is without. */
@Tag("opencl")
class JoclExceptionsTest {
  @BeforeAll
  static void enable() {
    new OpenClBackend().report(); // loads JOCL
    CL.setExceptionsEnabled(true);
  }

  @AfterAll
  static void disable() {
    CL.setExceptionsEnabled(false);
  }

  @Nested
  class Faults extends OpenClFaultTest {}

  @Nested
  class NonFinite extends NonFiniteTest {}

  /** Under one rule of each kind: what differs here are calls, of which others have the same. */
  @Nested
  class Allocation extends AllocationTest {
    static Stream<Arguments> backendsAndRules() {
      return ContractBackend.representatives().stream()
          .flatMap(
              backend ->
                  Stream.<UpdateRule>of(Adam.adam(), Lamb.lamb(), Muon.muon())
                      .map(rule -> Arguments.of(backend, rule)));
    }
  }

  @Test
  void aFailingCallHasItsCodeAndAReleaseThrowsNothing() {
    cl_context none = new cl_context();
    assertThrows(CLException.class, () -> CL.clRetainContext(none), "they are on");
    DeviceException e =
        assertThrows(
            DeviceException.class,
            () -> OpenCl.check(() -> CL.clRetainContext(none), "clRetainContext", "a device"));
    assertEquals(
        "clRetainContext failed on a device with CL_INVALID_CONTEXT (-34)", e.getMessage());
    assertDoesNotThrow(() -> OpenCl.released(() -> CL.clReleaseContext(none), "clReleaseContext"));
  }

  @Test
  void aPlatformWithoutDevicesHasNone() {
    int code =
        OpenCl.code(
            () ->
                CL.clGetDeviceIDs(
                    OpenClDevices.platforms()[0], CL.CL_DEVICE_TYPE_CUSTOM, 0, null, new int[1]));
    assertEquals(CL.CL_DEVICE_NOT_FOUND, code);
  }
}
