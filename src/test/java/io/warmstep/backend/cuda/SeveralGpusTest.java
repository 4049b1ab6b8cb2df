package io.warmstep.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.warmstep.Device;
import io.warmstep.DeviceLostException;
import io.warmstep.DeviceReport;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameters;
import io.warmstep.StepFailedException;
import io.warmstep.rule.Adam;
import io.warmstep.testkit.BackendProbe;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Several GPUs in one process: how each is opened, and that none depends on another. Simulated. */
class SeveralGpusTest extends SimulatedTest {
  private static final int DEVICES = 4;
  private static final int ILLEGAL_ADDRESS = 700;

  @AfterEach
  void restore() {
    CudaSim.recover();
    CudaSim.devices(1);
  }

  /** A program that prints name and UUID of each GPU, and which of them a name opens. */
  static final class Listing {
    private Listing() {}

    public static void main(String[] names) {
      CudaSim.load();
      for (DeviceReport report : new CudaBackend().devices()) {
        System.out.println(report.name() + " " + report.uuid() + " " + report.reason());
      }
      for (String name : names) {
        try (Device device = Devices.require(name)) {
          System.out.println(name + " is " + device.report().uuid());
        }
      }
    }
  }

  private static List<String> list(String visible, String... names) throws Exception {
    List<String> arguments = new ArrayList<>(BackendProbe.classPath());
    arguments.add("-D" + CudaSim.PROPERTY + "=" + System.getProperty(CudaSim.PROPERTY));
    Map<String, String> environment =
        Map.of("CUDASIM_DEVICES", Integer.toString(DEVICES), "CUDA_VISIBLE_DEVICES", visible);
    return BackendProbe.output(Listing.class, List.of(names), arguments, environment)
        .lines()
        .map(line -> line.replaceAll("(GPU-..)[0-9a-f-]+", "$1").strip())
        .toList();
  }

  /** CUDA numbers those that are visible, in the order in which the variable names them. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "3,1      | cuda:0 GPU-a3, cuda:1 GPU-a1",
        "GPU-a2,0 | cuda:0 GPU-a2, cuda:1 GPU-a0",
        "1,9,2    | cuda:0 GPU-a1",
      })
  void visibleDevicesAreListed(String visible, String expected) throws Exception {
    assertEquals(List.of(expected.split(", ")), list(visible));
  }

  @Test
  void aVisibleDeviceIsOpenedByItsUuid() throws Exception {
    List<String> lines = list("3,1", "cuda:1", "cuda:GPU-a1", "cuda:gpu-A3", "cuda");
    assertEquals(
        List.of(
            "cuda:1 is GPU-a1", "cuda:GPU-a1 is GPU-a1", "cuda:gpu-A3 is GPU-a3", "cuda is GPU-a3"),
        lines.subList(2, lines.size()));
  }

  @Test
  void noVisibleDeviceIsExplained() throws Exception {
    String line = String.join("\n", list("7"));
    assertTrue(line.contains("what CUDA_VISIBLE_DEVICES is set to"), line);
  }

  @Test
  void eachHasAUuidOfItsOwn() {
    CudaSim.devices(DEVICES);
    List<DeviceReport> reports = new CudaBackend().devices();
    assertEquals(DEVICES, reports.stream().map(DeviceReport::uuid).distinct().count());
    for (DeviceReport report : reports) {
      assertTrue(
          report.uuid().matches("GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), report.uuid());
      try (Device device = Devices.require("cuda:" + report.uuid())) {
        assertEquals(report, device.report());
      }
    }
  }

  /** A device with a parameter of 1 that is stepped down by 0.1. */
  private static final class Run implements AutoCloseable {
    private final Device device;
    private final Parameters parameters;
    private final Optimizer optimizer;

    Run(int index) {
      device = Devices.require("cuda:" + index);
      parameters = Parameters.on(device).add("w", new float[] {1}).build();
      optimizer = Optimizer.of(parameters).rule(Adam.adam()).learningRate(0.1).build();
      parameters.get("w").gradients().copyFrom(new float[] {1});
    }

    float step() {
      optimizer.step();
      return parameters.get("w").values().toFloats()[0];
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.close();
      device.close();
    }
  }

  @Test
  void aLostOneDoesNotDisturbTheOthers() {
    CudaSim.devices(DEVICES);
    List<Run> runs = new ArrayList<>();
    for (int i = 0; i < DEVICES; i++) {
      runs.add(new Run(i));
    }
    runs.forEach(run -> assertEquals(0.9f, run.step(), 1e-6f));
    CudaSim.lose(2, ILLEGAL_ADDRESS);
    StepFailedException e = assertThrows(StepFailedException.class, runs.get(2)::step);
    assertInstanceOf(DeviceLostException.class, e.getCause());
    for (int i : new int[] {0, 1, 3}) {
      assertEquals(0.8f, runs.get(i).step(), 1e-6f, "device " + i);
    }
    // Those that still work can be opened again, the lost one cannot be used.
    runs.set(0, closed(runs.get(0), 0));
    assertEquals(0.9f, runs.get(0).step(), 1e-6f);
    assertThrows(DeviceLostException.class, () -> new Run(2));
    runs.forEach(Run::close);
  }

  private static Run closed(Run run, int index) {
    run.close();
    return new Run(index);
  }
}
