package io.warmstep.cli.lab;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;

/**
 * A chart of the page: a table of data, and how it is drawn. The table is what the page shows
 * behind the chart and what the CSV file has, so nothing is drawn that cannot be read.
 */
final class Chart {
  /** Digits of a number in the data; more would say nothing and make the page larger. */
  private static final MathContext DIGITS = new MathContext(6);

  private final JsonObject json = new JsonObject();
  private final JsonArray rows = new JsonArray();
  private final List<String> columns;

  /**
   * Begins a chart.
   *
   * @param id its name in files, unique on the page
   * @param kind what draws it; see lab.js
   * @param title what to see in it
   * @param columns the columns of its table
   */
  Chart(String id, String kind, String title, String... columns) {
    this.columns = List.of(columns);
    json.addProperty("id", id);
    json.addProperty("kind", kind);
    json.addProperty("title", title);
  }

  String id() {
    return json.get("id").getAsString();
  }

  List<String> columns() {
    return columns;
  }

  JsonArray rows() {
    return rows;
  }

  /** A sentence below the chart: how it was made, how it is read. */
  Chart caption(String text) {
    json.addProperty("caption", text);
    return this;
  }

  /** A property of how it is drawn; see lab.js. */
  Chart set(String name, Object value) {
    json.add(name, json(value));
    return this;
  }

  /** An axis: which column, what it says, and "log" or "linear". */
  Chart axis(String name, String column, String label, String scale) {
    JsonObject axis = new JsonObject();
    axis.addProperty("column", column);
    axis.addProperty("label", label);
    axis.addProperty("scale", scale);
    json.add(name, axis);
    return this;
  }

  /** Something marked on the chart beside its data; an array of such objects is kept by name. */
  Chart mark(String kind, Object... namesAndValues) {
    if (!json.has(kind)) {
      json.add(kind, new JsonArray());
    }
    JsonObject mark = new JsonObject();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      mark.add((String) namesAndValues[i], json(namesAndValues[i + 1]));
    }
    json.getAsJsonArray(kind).add(mark);
    return this;
  }

  /** A row of the table: numbers, strings, booleans; what is not finite becomes null. */
  Chart row(Object... values) {
    if (values.length != columns.size()) {
      throw new IllegalArgumentException(
          id() + " has " + columns.size() + " columns, got " + values.length + " values");
    }
    JsonArray row = new JsonArray();
    for (Object value : values) {
      row.add(json(value));
    }
    rows.add(row);
    return this;
  }

  JsonObject toJson() {
    JsonObject whole = json.deepCopy();
    whole.add("columns", json(columns));
    whole.add("rows", rows);
    return whole;
  }

  static JsonElement json(Object value) {
    if (value == null) {
      return JsonNull.INSTANCE;
    }
    if (value instanceof JsonElement element) {
      return element;
    }
    if (value instanceof Boolean flag) {
      return new JsonPrimitive(flag);
    }
    if (value instanceof Integer || value instanceof Long) {
      return new JsonPrimitive((Number) value);
    }
    if (value instanceof Number number) {
      return number(number.doubleValue());
    }
    if (value instanceof List<?> list) {
      JsonArray array = new JsonArray();
      list.forEach(item -> array.add(json(item)));
      return array;
    }
    return new JsonPrimitive(value.toString());
  }

  /** Six digits, without an exponent where that is short. */
  private static JsonElement number(double value) {
    if (!Double.isFinite(value)) {
      return JsonNull.INSTANCE;
    }
    double rounded = new BigDecimal(value).round(DIGITS).doubleValue();
    return rounded == Math.rint(rounded) && Math.abs(rounded) < 1e9
        ? new JsonPrimitive((long) rounded)
        : new JsonPrimitive(rounded);
  }
}
