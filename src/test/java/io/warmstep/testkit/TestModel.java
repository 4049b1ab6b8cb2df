package io.warmstep.testkit;

import io.warmstep.Device;
import io.warmstep.ElementType;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.Tensor;
import io.warmstep.rule.UpdateRule;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parameters in memory of any placement, and the references that they are compared with. All values
 * are doubles that the element type holds exactly.
 */
public final class TestModel implements AutoCloseable {
  private final Device device;
  private final ParametersBuilder builder;
  private final Map<String, double[]> initial = new LinkedHashMap<>();
  private final Map<String, HostStorage[]> host = new LinkedHashMap<>();
  private final Map<String, Reference> references = new LinkedHashMap<>();
  private final List<Tensor> tensors = new ArrayList<>();
  private Parameters parameters;

  public TestModel(Device device) {
    this.device = device;
    this.builder = Parameters.on(device);
  }

  /** Adds a parameter. */
  public TestModel add(String name, ElementType type, Placement placement, double[] values) {
    initial.put(name, values);
    switch (placement) {
      case OWNED -> {
        if (type == ElementType.FLOAT64) {
          builder.add(name, values);
        } else {
          builder.add(name, type, Numbers.floats(values));
        }
      }
      case ALLOCATED -> {
        Tensor value = device.allocate(type, values.length);
        Tensor gradient = device.allocate(type, values.length);
        value.copyFrom(values);
        tensors.add(value);
        tensors.add(gradient);
        builder.borrow(name, value, gradient);
      }
      default -> {
        HostStorage value = HostStorage.create(device, type, placement, values.length);
        HostStorage gradient = HostStorage.create(device, type, placement, values.length);
        value.write(values);
        host.put(name, new HostStorage[] {value, gradient});
        tensors.add(value.tensor());
        tensors.add(gradient.tensor());
        builder.borrow(name, value.tensor(), gradient.tensor());
      }
    }
    Shapes.give(builder, name, values.length);
    return this;
  }

  /** Gives a parameter another shape than {@link Shapes} does. */
  public TestModel shape(String name, long... shape) {
    builder.shape(name, shape);
    return this;
  }

  /** The parameter set, built at the first call. */
  public Parameters parameters() {
    if (parameters == null) {
      parameters = builder.build();
    }
    return parameters;
  }

  /** Compares all parameters with references of one rule. */
  public TestModel follow(UpdateRule rule) {
    for (Parameter parameter : parameters()) {
      follow(parameter.name(), rule);
    }
    return this;
  }

  /** Compares a parameter with a reference of a rule. */
  public Reference follow(String name, UpdateRule rule) {
    Reference reference =
        new Reference(
            rule,
            parameters().get(name).values().type(),
            initial.get(name),
            parameters().get(name).shape().stream().mapToLong(length -> length).toArray());
    references.put(name, reference);
    return reference;
  }

  public Reference reference(String name) {
    return references.get(name);
  }

  public void gradients(String name, double[] gradients) {
    if (host.containsKey(name)) {
      host.get(name)[1].write(gradients);
    } else {
      parameters().get(name).gradients().copyFrom(gradients);
    }
  }

  public double[] gradients(String name) {
    return host.containsKey(name)
        ? host.get(name)[1].read()
        : parameters().get(name).gradients().toDoubles();
  }

  public double[] values(String name) {
    return host.containsKey(name)
        ? host.get(name)[0].read()
        : parameters().get(name).values().toDoubles();
  }

  /** Compares parameters, state and guard zones with the references. */
  public void check(Optimizer optimizer, String what) {
    for (Parameter parameter : parameters()) {
      String name = parameter.name();
      Reference reference = references.get(name);
      String where = what + ", parameter " + name + ", step " + optimizer.stepCount();
      Bits.assertSame(reference.parameters(), values(name), () -> where);
      for (int i = 0; i < reference.rule().stateSlots().size(); i++) {
        if (!reference.rule().stateSlots().get(i).isState() || !reference.has(i)) {
          continue;
        }
        String slot = reference.rule().stateSlots().get(i).name();
        Bits.assertSame(
            reference.state(i), optimizer.state(name, slot).toDoubles(), () -> where + ", " + slot);
      }
      if (host.containsKey(name)) {
        host.get(name)[0].assertGuards(where + ", values");
        host.get(name)[1].assertGuards(where + ", gradients");
      }
    }
  }

  @Override
  public void close() {
    if (parameters != null) {
      parameters.close();
    }
    tensors.forEach(Tensor::close);
  }
}
