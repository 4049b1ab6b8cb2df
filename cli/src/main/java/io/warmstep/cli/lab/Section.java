package io.warmstep.cli.lab;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** A part of the page: what was found, and the charts that show it. */
final class Section {
  private final String id;
  private final String title;
  private final List<String> paragraphs = new ArrayList<>();
  private final List<Chart> charts = new ArrayList<>();
  private final JsonObject extras = new JsonObject();

  Section(String id, String title) {
    this.id = id;
    this.title = title;
  }

  String id() {
    return id;
  }

  List<Chart> charts() {
    return charts;
  }

  /** The title, then the paragraphs. */
  List<String> sentences() {
    List<String> all = new ArrayList<>();
    all.add(title);
    all.addAll(paragraphs);
    return all;
  }

  /** A paragraph above the charts. */
  Section say(String paragraph) {
    paragraphs.add(paragraph);
    return this;
  }

  Section add(Chart chart) {
    charts.add(chart);
    return this;
  }

  /** Something that only this section has; see lab.js. */
  Section set(String name, Object value) {
    extras.add(name, Chart.json(value));
    return this;
  }

  JsonObject toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("id", id);
    json.addProperty("title", title);
    json.add("text", Chart.json(paragraphs));
    extras.entrySet().forEach(extra -> json.add(extra.getKey(), extra.getValue()));
    JsonArray array = new JsonArray();
    charts.forEach(chart -> array.add(chart.toJson()));
    json.add("charts", array);
    return json;
  }
}
