package io.warmstep.cli.bench;

import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Gradients as they are before a step that sets them to zero. Steps on zeros alone would bring
 * averages down to subnormal numbers, with which processors are slow.
 */
final class Gradients implements AutoCloseable {
  private final List<Tensor> gradients = new ArrayList<>();
  private final List<Tensor> copies = new ArrayList<>();

  /** Copies the gradients, on their device. */
  Gradients(Parameters parameters) {
    try {
      for (Parameter parameter : parameters) {
        add(parameter.gradients());
      }
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private void add(Tensor gradient) {
    Tensor copy = gradient.device().allocate(gradient.type(), gradient.length());
    copies.add(copy);
    copy.copyFrom(gradient);
    gradients.add(gradient);
  }

  /** Puts them back. */
  void restore() {
    for (int i = 0; i < copies.size(); i++) {
      gradients.get(i).copyFrom(copies.get(i));
    }
  }

  @Override
  public void close() {
    copies.forEach(Tensor::close);
  }
}
