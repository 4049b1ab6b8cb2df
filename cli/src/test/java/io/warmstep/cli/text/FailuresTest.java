package io.warmstep.cli.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.MalformedInputException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class FailuresTest {
  @Test
  void aMessageIsNeverMissing() {
    assertEquals("the message", Failures.describe(new IOException("the message")));
    assertEquals("io", Failures.describe(new IOException()));
    assertEquals("illegal argument", Failures.describe(new IllegalArgumentException(" ")));
    assertEquals("closed channel", Failures.describe(new ClosedChannelException()));
    assertEquals("the data ends too early", Failures.describe(new EOFException()));
    assertEquals("out of memory", Failures.describe(new OutOfMemoryError()));
    assertEquals(
        "illegal state (closed channel)",
        Failures.describe(new IllegalStateException(null, new ClosedChannelException())));
  }

  @Test
  void filesAreNamedWithTheReason() {
    assertEquals("a.csv: no such file", Failures.describe(new NoSuchFileException("a.csv")));
    assertEquals("a.csv: access denied", Failures.describe(new AccessDeniedException("a.csv")));
    assertEquals("a: is full", Failures.describe(new FileSystemException("a", null, "is full")));
    assertEquals("file system", Failures.describe(new FileSystemException(null)));
    assertEquals(
        "a.csv: no such file",
        Failures.describe(new UncheckedIOException(new NoSuchFileException("a.csv"))));
    assertEquals("the text is not in UTF-8", Failures.describe(new MalformedInputException(1)));
  }
}
