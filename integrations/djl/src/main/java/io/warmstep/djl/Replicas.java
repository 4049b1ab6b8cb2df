package io.warmstep.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A parameter's array on each device of the trainer. */
record Replicas(String id, String name, NDArray[] arrays) {
  PtNDArray array(int i) {
    return TorchArrays.usable("values of \"" + name + "\"", arrays[i]);
  }

  /**
   * Moves the gradients of the other devices to the first. Parameters that share an array there are
   * one member, but may have arrays of their own on the others.
   */
  static void addUpGradients(List<Replicas> trained, List<Binding.Member> members) {
    Map<Long, PtNDArray> sums = new HashMap<>();
    members.forEach(member -> sums.put(member.handle(), member.gradients()));
    for (Replicas replicas : trained) {
      PtNDArray sum = sums.get(replicas.array(0).getHandle());
      for (int j = 1; j < replicas.arrays.length; j++) {
        PtNDArray replica = replicas.array(j);
        try (PtNDArray gradients = JniUtils.getGradient(replica)) {
          if (gradients != null) {
            try (NDArray moved = gradients.toDevice(sum.getDevice(), true)) {
              sum.addi(moved);
            }
            JniUtils.zeroGrad(replica);
          }
        }
      }
    }
  }

  /** Copies the updated values to the other devices. */
  static void spread(List<Replicas> trained) {
    for (Replicas replicas : trained) {
      for (int j = 1; j < replicas.arrays.length; j++) {
        TorchArrays.overwrite(replicas.arrays[j], replicas.arrays[0]);
      }
    }
  }
}
