package io.warmstep.djl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.engine.Engine;
import org.junit.jupiter.api.Test;

/** Why libtorch's functions cannot be called is reported, and not guessed. */
class LibTorchTest {
  @Test
  void aFunctionThatIsNotThere() {
    assertEquals(
        "libtorch in /torch lacks the C functions that say where tensors lie: use PyTorch "
            + Engine.getEngine("PyTorch").getVersion()
            + ", with which this module is tested",
        LibTorch.reason(
            new UnsatisfiedLinkError(
                "Error looking up function 'aoti_torch_get_data_ptr': undefined symbol"),
            "/torch"));
  }

  @Test
  void aJavaThatLetsJnaLoadNothing() {
    assertEquals(
        "libtorch in /torch cannot be called: Java was started so that JNA may not load its native"
            + " library: add --enable-native-access=ALL-UNNAMED to its options",
        LibTorch.reason(
            new ExceptionInInitializerError(
                new IllegalCallerException(
                    "Illegal native access from an unnamed module (file:/jna.jar)")),
            "/torch"));
  }

  @Test
  void anotherFailure() {
    UnsatisfiedLinkError failure =
        new UnsatisfiedLinkError("Unable to load library 'libtorch_cpu.so':\n");
    String said = "/torch/libtorch_cpu.so: cannot open shared object file";
    failure.addSuppressed(new UnsatisfiedLinkError(said));
    assertEquals(
        "libtorch in /torch cannot be called: " + said, LibTorch.reason(failure, "/torch"));
  }
}
