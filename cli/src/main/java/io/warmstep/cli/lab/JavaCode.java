package io.warmstep.cli.lab;

import io.warmstep.cli.train.ScheduleChoice;
import io.warmstep.rule.RuleSettings;
import io.warmstep.rule.UpdateRule;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Locale;
import java.util.stream.Collectors;

/** The Java code and the command that do what the lab suggests. */
final class JavaCode {
  private JavaCode() {}

  /** The code of a rule: {@code Adam.adam()}, or its constructor with every hyperparameter. */
  static String of(UpdateRule rule) {
    String type = rule.getClass().getSimpleName();
    return Arrays.stream(rule.getClass().getMethods())
        .filter(method -> Modifier.isStatic(method.getModifiers()))
        .filter(method -> method.getParameterCount() == 0)
        .filter(method -> method.getReturnType() == rule.getClass())
        .sorted(Comparator.comparing(Method::getName))
        .filter(method -> rule.equals(call(method)))
        .map(method -> type + "." + method.getName() + "()")
        .findFirst()
        .orElseGet(
            () ->
                RuleSettings.values(rule).entrySet().stream()
                    .map(value -> "/* " + value.getKey() + " */ " + value.getValue())
                    .collect(Collectors.joining(", ", "new " + type + "(", ")")));
  }

  private static Object call(Method method) {
    try {
      return method.invoke(null);
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** The code of a schedule over so many steps, such as those that the lab tries. */
  static String of(String schedule, String warmUp, double rate, int steps) {
    String number = Double.toString(rate).toLowerCase(Locale.ROOT);
    int warm = warmUp.startsWith("linear:") ? Integer.parseInt(warmUp.substring(7)) : 0;
    int rest = steps - warm;
    String code =
        switch (ScheduleChoice.valueOf(schedule.toUpperCase(Locale.ROOT).replace('-', '_'))) {
          case STEP -> "Schedules.step(" + number + ", " + Math.max(1, (rest + 2) / 3) + ", 0.1)";
          case COSINE -> "Schedules.cosine(" + number + ", " + rest + ")";
          case ONE_CYCLE -> "Schedules.oneCycle(" + number + ", " + rest + ")";
          default -> "Schedules.constant(" + number + ")";
        };
    return warm > 0 ? code + ".warmUp(" + warm + ")" : code;
  }
}
