package io.warmstep.cli.verify;

import io.warmstep.ElementType;
import io.warmstep.cli.verify.EntryScenes.Scene;
import io.warmstep.rule.Muon;
import java.util.ArrayList;
import java.util.List;

/** The scenes of the kernels that a matrix phase shares, whatever the rule. */
final class MatrixScenes {
  private MatrixScenes() {}

  /** Whether a comparison is one of products. */
  static boolean has(BitCase one) {
    return one.rule().matrix().isPresent() && !EntryScenes.isLong(one) && one.steps() == 3;
  }

  /** On the same matrices one step of two iterations, which take all ways. */
  private static BitCase shortened(BitCase one) {
    return new BitCase(
        Muon.muon().newtonSchulz(3.4445, -4.775, 2.0315, 2),
        one.type(),
        one.elements(),
        one.extra(),
        one.lengths(),
        1,
        true);
  }

  static List<Scene> of(ElementType type) {
    List<Scene> scenes = new ArrayList<>();
    for (BitCase one : BitCase.all(type)) {
      if (has(one)) {
        scenes.add(EntryScenes.of(shortened(one)));
        if (InterpretedEntriesTest.isAll()) {
          scenes.add(EntryScenes.of(one));
        }
      }
    }
    for (Elements elements : List.of(Elements.SPECIAL, Elements.FINITE_EXTREMES)) {
      scenes.add(
          EntryScenes.scene(
              (device, parameters) ->
                  EntryScenes.add(parameters, type, new int[] {35, 300, 6, 35, 1, 4032}),
              builder -> builder.rule(Muon.muon()).learningRate(0.1).skipNonFinite(true),
              elements,
              2));
    }
    // Alone in its memory: what is accessed beyond its rows is nobody's.
    scenes.add(
        EntryScenes.scene(
            (device, parameters) -> EntryScenes.add(parameters, type, new int[] {4032}),
            builder ->
                builder.rule(Muon.muon().newtonSchulz(3.4445, -4.775, 2.0315, 1)).learningRate(0.1),
            Elements.ORDINARY,
            2));
    return scenes;
  }
}
