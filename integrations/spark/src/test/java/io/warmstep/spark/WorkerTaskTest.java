package io.warmstep.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import org.apache.spark.resource.ResourceInformation;
import org.junit.jupiter.api.Test;

/** Which device a task uses, by what Spark has given it. */
class WorkerTaskTest {
  private static ResourceInformation resource(String name, String... addresses) {
    return new ResourceInformation(name, addresses);
  }

  @Test
  void aTaskUsesTheGpuThatItWasGiven() {
    assertEquals("cuda:0", WorkerTask.deviceName(Map.of("gpu", resource("gpu", "0"))));
    assertEquals("cuda:3", WorkerTask.deviceName(Map.of("gpu", resource("gpu", "3"))));
    assertEquals("cuda:2", WorkerTask.deviceName(Map.of("gpu", resource("gpu", "2", "5"))));
    assertEquals(
        "cuda:1",
        WorkerTask.deviceName(Map.of("fpga", resource("fpga", "7"), "gpu", resource("gpu", "1"))));
  }

  @Test
  void withoutOneItUsesTheProcessor() {
    assertEquals("cpu", WorkerTask.deviceName(Map.of()));
    assertEquals("cpu", WorkerTask.deviceName(Map.of("gpu", resource("gpu"))));
    assertEquals("cpu", WorkerTask.deviceName(Map.of("fpga", resource("fpga", "0"))));
  }
}
