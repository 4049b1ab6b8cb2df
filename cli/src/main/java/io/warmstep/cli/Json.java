package io.warmstep.cli;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.Locale;
import java.util.Map;

/** How the command line writes JSON: one object per line. */
final class Json {
  private static final Gson GSON =
      new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private Json() {}

  /** JSON knows no NaN and no infinity: they become null. */
  static JsonElement number(double value) {
    return Double.isFinite(value) ? new JsonPrimitive(value) : JsonNull.INSTANCE;
  }

  /** Values by name; weightDecay becomes weight_decay, as names are written in JSON. */
  static JsonObject values(Map<String, ?> values) {
    JsonObject object = new JsonObject();
    values.forEach(
        (name, value) ->
            object.add(
                name.replaceAll("(?=[A-Z])", "_").toLowerCase(Locale.ROOT),
                GSON.toJsonTree(value)));
    return object;
  }

  static String text(JsonElement element) {
    return GSON.toJson(element);
  }
}
