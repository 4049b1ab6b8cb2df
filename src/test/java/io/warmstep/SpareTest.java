package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import org.junit.jupiter.api.Test;

class SpareTest {
  @Test
  void whatIsGivenBackIsUsedAgain() {
    Spare<Object> spare = new Spare<>(Object::new);
    Object one = spare.take();
    spare.giveBack(one);
    assertSame(one, spare.take());
  }

  @Test
  void nobodyGetsWhatAnotherHas() {
    Spare<Object> spare = new Spare<>(Object::new);
    Object one = spare.take();
    Object other = spare.take();
    assertNotSame(one, other);
    spare.giveBack(one);
    spare.giveBack(other);
    assertSame(other, spare.take());
    assertNotSame(one, spare.take());
  }
}
