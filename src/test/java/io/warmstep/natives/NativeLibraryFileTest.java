package io.warmstep.natives;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** A native library that was cut short, at any place, is found to be damaged. */
class NativeLibraryFileTest {
  private static final String LIBRARY = "lib/libJOCL_2_0_6-linux-x86_64.so";

  @Test
  void onlyAWholeFileIsLongEnough() throws IOException {
    byte[] whole;
    try (InputStream in = getClass().getClassLoader().getResourceAsStream(LIBRARY)) {
      whole = in.readAllBytes();
    }
    long needed = NativeLibraryFile.neededBytes(ByteBuffer.wrap(whole));
    assertTrue(needed > 1000 && needed <= whole.length, needed + " of " + whole.length);
    for (int length = 0; length < needed; length += length < 1000 ? 1 : 997) {
      long claimed = NativeLibraryFile.neededBytes(ByteBuffer.wrap(Arrays.copyOf(whole, length)));
      assertTrue(claimed > length, length + " of " + whole.length + " bytes pass");
    }
  }

  @Test
  void whatIsNoLibraryIsDamaged() {
    assertEquals(101, NativeLibraryFile.neededBytes(ByteBuffer.wrap(new byte[100])));
  }

  @Test
  void aResourceThatIsNotThereIsLeftToItsLoader() {
    NativeLibraryFile.check("lib/nonesuch.so");
  }
}
