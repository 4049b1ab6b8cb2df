package io.warmstep.check;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class NamesTest {
  private static List<String> names(int count) {
    return IntStream.rangeClosed(1, count).mapToObj(i -> "n" + i).toList();
  }

  @Test
  void listsAFew() {
    assertEquals("none", Names.abbreviated(names(0)));
    assertEquals("n1", Names.abbreviated(names(1)));
    assertEquals("n1, n2, n3, n4, n5, n6, n7, n8", Names.abbreviated(names(8)));
    assertEquals("n1, n2, n3, n4, n5, n6, n7, n8 and 2 more", Names.abbreviated(names(10)));
  }
}
