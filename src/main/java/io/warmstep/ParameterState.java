package io.warmstep;

import io.warmstep.backend.MemorySlice;
import io.warmstep.backend.Operand;
import io.warmstep.check.Names;
import io.warmstep.rule.StateSlot;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The state of one parameter, its master and its average included. */
final class ParameterState {
  private record Entry(StateSlot slot, Tensor tensor) {}

  private final Parameter parameter;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  /** What steps use, in the order of the rule's slots. */
  private final List<Operand> operands = new ArrayList<>();

  /**
   * Names of what starts as a copy of the parameter and follows it until its first step: not what
   * somebody has requested and so may have written.
   */
  private final Set<String> copies = new HashSet<>();

  private MemorySlice master; // the bits that the parameter lacks, or null
  private MemorySlice average; // or null

  ParameterState(Parameter parameter) {
    this.parameter = parameter;
  }

  /** Adds a slot of the parameter's rule. */
  void add(StateSlot slot, Tensor tensor, Operand operand) {
    put(slot, tensor);
    operands.add(operand);
  }

  void addMaster(StateSlot slot, Tensor tensor, MemorySlice rest) {
    put(slot, tensor);
    master = rest;
  }

  void addAverage(StateSlot slot, Tensor tensor) {
    put(slot, tensor);
    average = tensor.slice();
  }

  private void put(StateSlot slot, Tensor tensor) {
    entries.put(slot.name(), new Entry(slot, tensor));
    if (slot.copiesParameter()) {
      copies.add(slot.name());
    }
  }

  /** Whether there is nothing that a continued run would have to restore. */
  boolean isEmpty() {
    return entries.isEmpty();
  }

  /** Names of the state, without scratch space of a step. */
  List<String> names() {
    return entries.values().stream()
        .map(Entry::slot)
        .filter(StateSlot::isState)
        .map(StateSlot::name)
        .toList();
  }

  /**
   * The tensor of a slot.
   *
   * @throws IllegalArgumentException if there is no such state
   */
  Tensor tensor(String slot) {
    return entry(slot).tensor;
  }

  /** The shape of a slot: empty if it is a single value for all elements. */
  List<Long> shape(String slot) {
    return entry(slot).slot.shape(parameter.shape());
  }

  private Entry entry(String slot) {
    Entry entry = entries.get(slot);
    if (entry == null || !entry.slot.isState()) {
      throw new IllegalArgumentException(
          "parameter \""
              + parameter.name()
              + "\" has no state \""
              + slot
              + "\": it has "
              + Names.abbreviated(names()));
    }
    return entry;
  }

  List<Operand> operands() {
    return operands;
  }

  MemorySlice master() {
    return master;
  }

  MemorySlice average() {
    return average;
  }

  boolean hasCopies() {
    return !copies.isEmpty();
  }

  boolean isCopy(String slot) {
    return copies.contains(slot);
  }

  /** Has copies follow the parameter once more. Allocates nothing. */
  void copyParameter() {
    for (String slot : copies) {
      TensorCopy.widen(parameter.values(), entries.get(slot).tensor);
    }
  }

  /** Notes that a slot may be written: it follows the parameter no more. */
  void requested(String slot) {
    copies.remove(slot);
  }
}
