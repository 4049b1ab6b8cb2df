package io.warmstep.cli.lab;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The page in a browser: nothing fails, nothing is loaded, everything is drawn and works. */
@Tag("chromium")
class PageTest {
  @TempDir static Path folder;

  private static Browser browser;
  private static URI page;
  private static JsonObject lab;

  @BeforeAll
  static void start() throws IOException, InterruptedException {
    Path out = folder.resolve("a folder");
    TinyLab.run(TinyLab.breastCancer(0), 2).write(LabFolder.at(out));
    page = out.resolve("index.html").toUri();
    lab = JsonParser.parseString(Files.readString(out.resolve("lab.json"))).getAsJsonObject();
    Path program =
        Browser.executable()
            .orElseThrow(
                () ->
                    new AssertionError(
                        "no chromium on the PATH; on Debian: apt-get install chromium"));
    browser = Browser.start(program, folder.resolve("profile"));
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.close();
    }
  }

  @BeforeEach
  void open() {
    browser.emulate("screen", "light");
    browser.open(page, 1400);
  }

  private static List<JsonObject> charts() {
    List<JsonObject> charts = new ArrayList<>();
    for (JsonElement section : lab.getAsJsonArray("sections")) {
      section
          .getAsJsonObject()
          .getAsJsonArray("charts")
          .forEach(c -> charts.add(c.getAsJsonObject()));
    }
    return charts;
  }

  private static int count(String selector) {
    return browser
        .evaluate("document.querySelectorAll(" + quoted(selector) + ").length")
        .getAsInt();
  }

  private static String quoted(String text) {
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'";
  }

  private static String text(JsonObject chart, String name) {
    return chart.get(name).getAsString();
  }

  private static void assertQuiet() {
    assertEquals(List.of(), browser.errors());
    assertEquals(
        List.of(),
        browser.requests().stream()
            .filter(url -> !url.equals(page.toString()) && !url.startsWith("data:"))
            .toList());
  }

  @Test
  void loadsNothingAndReportsNoError() {
    assertQuiet();
    assertEquals("true", browser.evaluate("document.documentElement.dataset.drawn").getAsString());
    assertEquals(12, count("main > section"));
    assertEquals(12, count("nav a"));
    assertEquals(charts().size(), count("figure"));
    assertEquals(
        "Warmstep lab: breast-cancer with adam", browser.evaluate("document.title").getAsString());
  }

  /** Marks are counted by what the data say that must be there. */
  @Test
  void drawsEveryChart() {
    List<org.junit.jupiter.api.function.Executable> checks = new ArrayList<>();
    for (JsonObject chart : charts()) {
      checks.add(() -> assertDrawn(chart));
    }
    assertTrue(checks.size() >= 20, "charts: " + checks.size());
    assertAll(checks);
    assertEquals(
        0,
        browser
            .evaluate(
                "[...document.querySelectorAll('figure svg *')].filter(e => [...e.attributes].some(a =>"
                    + " /NaN|undefined/.test(a.value))).length")
            .getAsInt(),
        "attributes without a number");
  }

  private static void assertDrawn(JsonObject chart) {
    String figure = "#" + text(chart, "id");
    assertFalse(text(chart, "title").isBlank(), figure);
    assertEquals(
        text(chart, "title"),
        browser.evaluate("document.querySelector('" + figure + " h3').textContent").getAsString());
    int rows = chart.getAsJsonArray("rows").size();
    assertTrue(rows > 0, figure + " has no rows");
    switch (text(chart, "kind")) {
      case "lines" -> {
        int series = chart.has("series") ? distinct(chart, text(chart, "series")) : 1;
        assertEquals(series, count(figure + " svg g[aria-label=line] path"), figure);
        assertTrue(longestPath(figure) > 20, figure + " has lines with a length");
        if (chart.has("band")) {
          assertEquals(series, count(figure + " svg g[aria-label=area]"), figure);
        }
        if (chart.has("verticals")) {
          assertEquals(
              chart.getAsJsonArray("verticals").size(),
              count(figure + " svg g[aria-label=rule] line[y1]"),
              figure);
        }
      }
      case "heatmap" -> {
        long finite = finite(chart, text(chart.getAsJsonObject("color"), "column"));
        assertEquals(finite, count(figure + " svg g[aria-label=cell] rect"), figure);
      }
      case "paths" -> {
        assertTrue(count(figure + " svg g[aria-label=contour] path") > 3, figure);
        assertTrue(count(figure + " svg g[aria-label=dot] circle") > 0, figure);
      }
      case "bars" -> assertEquals(rows, count(figure + " svg g[aria-label=bar] rect"), figure);
      case "table" -> assertEquals(rows, count(figure + " tbody tr"), figure);
      default -> throw new AssertionError(figure + " is of kind " + text(chart, "kind"));
    }
    if (!text(chart, "kind").equals("table")) {
      browser.evaluate("document.querySelector('" + figure + " details').open = true");
      browser.evaluate("new Promise(done => setTimeout(done, 50))");
      assertEquals(Math.min(rows, 300), count(figure + " details tbody tr"), figure);
    }
  }

  private static int longestPath(String figure) {
    return browser
        .evaluate(
            "Math.round(Math.max(...[...document.querySelectorAll('"
                + figure
                + " svg g[aria-label=line] path')].map(p => p.getTotalLength())))")
        .getAsInt();
  }

  private static int column(JsonObject chart, String name) {
    JsonArray columns = chart.getAsJsonArray("columns");
    for (int i = 0; i < columns.size(); i++) {
      if (columns.get(i).getAsString().equals(name)) {
        return i;
      }
    }
    throw new AssertionError(text(chart, "id") + " has no column " + name);
  }

  private static int distinct(JsonObject chart, String name) {
    int column = column(chart, name);
    return chart.getAsJsonArray("rows").asList().stream()
        .map(row -> row.getAsJsonArray().get(column))
        .collect(Collectors.toSet())
        .size();
  }

  private static long finite(JsonObject chart, String name) {
    int column = column(chart, name);
    return chart.getAsJsonArray("rows").asList().stream()
        .filter(row -> !row.getAsJsonArray().get(column).isJsonNull())
        .count();
  }

  @Test
  void slidersFollowThePaths() {
    String figure = "#surface-valley";
    String drawn = "document.querySelector('" + figure + " .drawing').innerHTML";
    String before = browser.evaluate(drawn).getAsString();
    browser.evaluate(
        "(() => { const s = document.querySelector('"
            + figure
            + " input[type=range]'); s.value = 7; s.dispatchEvent(new Event('input')); })()");
    assertNotEquals(before, browser.evaluate(drawn).getAsString());
    assertEquals(
        "step 7",
        browser
            .evaluate("document.querySelector('" + figure + " output').textContent")
            .getAsString());
    int lines = count(figure + " svg g[aria-label=line] path");
    browser.evaluate("document.querySelector('" + figure + " .legend input').click()");
    assertEquals(lines - 2, count(figure + " svg g[aria-label=line] path"), "a rule and its halo");
    assertQuiet();
  }

  @Test
  void playRunsToTheEnd() {
    String figure = "#surface-bowl";
    browser.evaluate(
        "(() => { const s = document.querySelector('"
            + figure
            + " input[type=range]'); s.value = 140; s.dispatchEvent(new Event('input'));"
            + " document.querySelector('"
            + figure
            + " .controls button').click(); })()");
    browser.evaluate(
        "new Promise(done => { const look = () => document.querySelector('"
            + figure
            + " output').textContent === 'step 150' ? done() : setTimeout(look, 50); look(); })");
    assertEquals(
        "150",
        browser
            .evaluate("document.querySelector('" + figure + " input[type=range]').value")
            .getAsString());
  }

  @Test
  void tablesSort() {
    String cells =
        "[...document.querySelectorAll('#race-results tbody tr')].map(r =>"
            + " r.children[2].textContent).join(' ')";
    String click = "document.querySelectorAll('#race-results th button')[2].click()";
    String ascending = browser.evaluate(cells).getAsString();
    browser.evaluate(click);
    String descending = browser.evaluate(cells).getAsString();
    List<Double> up = numbers(ascending);
    List<Double> down = numbers(descending);
    assertEquals(up.stream().sorted().toList(), up);
    assertEquals(up.stream().sorted(java.util.Comparator.reverseOrder()).toList(), down);
    assertEquals(1, count("#race-results th[aria-sort=descending]"));
    assertEquals(1, count("#race-results th.measured"), "times are marked as such");
  }

  private static List<Double> numbers(String text) {
    return java.util.Arrays.stream(text.split(" ")).map(Double::parseDouble).toList();
  }

  @Test
  void pointingShowsTheNumbers() {
    browser.pointAt("#range-test svg");
    browser.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))");
    String tip =
        browser
            .evaluate("document.querySelector('#range-test g[aria-label=tip]').textContent")
            .getAsString();
    assertTrue(tip.contains("rate: ") && tip.contains("loss: "), tip);
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 1400})
  void fitsTheWindow(int width) throws IOException {
    browser.open(page, width);
    browser.evaluate("new Promise(done => setTimeout(done, 300))");
    assertTrue(
        browser.evaluate("document.documentElement.scrollWidth").getAsInt() <= width,
        "nothing is wider than the window");
    assertEquals(
        0,
        browser
            .evaluate(
                "[...document.querySelectorAll('figure, .fact, pre, h2, section > p')].filter(e => {"
                    + " const b = e.getBoundingClientRect(); return b.left < 0 || b.right > "
                    + width
                    + " || b.width < 80; }).length")
            .getAsInt());
    String columns =
        browser
            .evaluate(
                "new Set([...document.querySelectorAll('#fit figure.quarter')].map(e =>"
                    + " Math.round(e.getBoundingClientRect().left))).size")
            .getAsString();
    assertEquals(width == 400 ? "1" : "4", columns, "charts beside each other");
    assertQuiet();
    browser.screenshot(screenshots().resolve("page-" + width + ".png"));
  }

  private static Path screenshots() throws IOException {
    return Files.createDirectories(
        Path.of(System.getProperty("screenshots", "target/screenshots")));
  }

  @Test
  void darkAndPrinted() {
    browser.emulate("screen", "dark");
    browser.evaluate("new Promise(done => setTimeout(done, 300))");
    assertEquals(
        "rgb(18, 23, 29)",
        browser.evaluate("getComputedStyle(document.body).backgroundColor").getAsString());
    assertEquals(1, count("#range-test svg"));
    browser.emulate("print", "light");
    assertEquals(
        "none",
        browser.evaluate("getComputedStyle(document.querySelector('nav')).display").getAsString());
    assertEquals(
        "rgb(255, 255, 255)",
        browser.evaluate("getComputedStyle(document.body).backgroundColor").getAsString());
    byte[] pdf = browser.pdf();
    assertEquals("%PDF", new String(pdf, 0, 4, java.nio.charset.StandardCharsets.US_ASCII));
    assertTrue(pdf.length > 100_000, "bytes: " + pdf.length);
    assertQuiet();
  }
}
