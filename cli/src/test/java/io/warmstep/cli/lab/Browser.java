package io.warmstep.cli.lab;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A headless Chromium, driven over the DevTools protocol; notes its errors and its requests. */
final class Browser implements AutoCloseable {
  private static final Gson GSON = new Gson();
  private static final long PATIENCE_SECONDS = 120;
  private static final String LISTENING = "DevTools listening on ";

  private final Process process;
  private final WebSocket socket;
  private final BlockingQueue<JsonObject> messages = new LinkedBlockingQueue<>();
  private final List<String> errors = new ArrayList<>();
  private final List<String> requests = new ArrayList<>();
  private int calls;

  private Browser(Process process, URI page, HttpClient client) {
    this.process = process;
    socket = client.newWebSocketBuilder().buildAsync(page, new Listener()).join();
    for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
      call(domain + ".enable", Map.of());
    }
  }

  /** The program, or empty if this machine has none. */
  static Optional<Path> executable() {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .flatMap(
            folder ->
                Stream.of("chromium", "chromium-browser", "google-chrome")
                    .map(name -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .findFirst();
  }

  static Browser start(Path program, Path profile) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                program.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
                "--user-data-dir=" + profile,
                "about:blank")
            .redirectErrorStream(true)
            .start();
    HttpClient client = HttpClient.newHttpClient();
    String address = address(process);
    String host = URI.create(address).getAuthority();
    HttpResponse<String> created =
        client.send(
            HttpRequest.newBuilder(URI.create("http://" + host + "/json/new?about:blank"))
                .PUT(HttpRequest.BodyPublishers.noBody())
                .build(),
            HttpResponse.BodyHandlers.ofString());
    String page =
        JsonParser.parseString(created.body())
            .getAsJsonObject()
            .get("webSocketDebuggerUrl")
            .getAsString();
    return new Browser(process, URI.create(page), client);
  }

  /** Reads what the browser prints until it says where it listens, and then the rest, unheard. */
  private static String address(Process process) throws IOException {
    BufferedReader out =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    StringBuilder printed = new StringBuilder();
    for (String line = out.readLine(); line != null; line = out.readLine()) {
      printed.append(line).append('\n');
      if (line.startsWith(LISTENING)) {
        Thread drain =
            new Thread(
                () -> {
                  try {
                    out.transferTo(java.io.Writer.nullWriter());
                  } catch (IOException e) {
                    // The browser has ended.
                  }
                });
        drain.setDaemon(true);
        drain.start();
        return line.substring(LISTENING.length());
      }
    }
    throw new IOException("the browser ended at once: " + printed);
  }

  /** Collects the parts of messages. */
  private final class Listener implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean isLast) {
      text.append(part);
      if (isLast) {
        messages.add(JsonParser.parseString(text.toString()).getAsJsonObject());
        text.setLength(0);
      }
      from.request(1);
      return null;
    }
  }

  JsonObject call(String method, Map<String, ?> parameters) {
    int id = ++calls;
    JsonObject message = new JsonObject();
    message.addProperty("id", id);
    message.addProperty("method", method);
    message.add("params", GSON.toJsonTree(parameters));
    socket.sendText(message.toString(), true).join();
    JsonObject answer = await(next -> next.has("id") && next.get("id").getAsInt() == id);
    if (answer.has("error")) {
      throw new AssertionError(method + ": " + answer.get("error"));
    }
    return answer.getAsJsonObject("result");
  }

  private JsonObject await(java.util.function.Predicate<JsonObject> isIt) {
    try {
      while (true) {
        JsonObject next = messages.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (next == null) {
          throw new AssertionError("the browser does not answer");
        }
        note(next);
        if (isIt.test(next)) {
          return next;
        }
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private void note(JsonObject message) {
    String method = message.has("method") ? message.get("method").getAsString() : "";
    JsonObject parameters = message.getAsJsonObject("params");
    switch (method) {
      case "Runtime.exceptionThrown" -> errors.add(parameters.toString());
      case "Runtime.consoleAPICalled" -> {
        String type = parameters.get("type").getAsString();
        if (type.equals("error") || type.equals("warning") || type.equals("assert")) {
          errors.add(parameters.toString());
        }
      }
      case "Log.entryAdded" -> errors.add(parameters.toString());
      case "Network.requestWillBeSent" ->
          requests.add(parameters.getAsJsonObject("request").get("url").getAsString());
      default -> {
        // Of no interest.
      }
    }
  }

  /** Opens a page in a window of a width and waits until it has loaded. */
  void open(URI page, int width) {
    resize(width);
    requests.clear();
    errors.clear();
    call("Page.navigate", Map.of("url", page.toString()));
    await(
        next ->
            next.has("method") && next.get("method").getAsString().equals("Page.loadEventFired"));
  }

  void resize(int width) {
    call(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", 900, "deviceScaleFactor", 1, "mobile", width < 600));
  }

  void emulate(String media, String colorScheme) {
    call(
        "Emulation.setEmulatedMedia",
        Map.of(
            "media",
            media,
            "features",
            List.of(Map.of("name", "prefers-color-scheme", "value", colorScheme))));
  }

  /** What an expression gives, a promise awaited. */
  JsonElement evaluate(String expression) {
    JsonObject result =
        call(
            "Runtime.evaluate",
            Map.of("expression", expression, "returnByValue", true, "awaitPromise", true));
    if (result.has("exceptionDetails")) {
      throw new AssertionError(expression + ": " + result.get("exceptionDetails"));
    }
    JsonElement value = result.getAsJsonObject("result").get("value");
    return value == null ? new JsonArray() : value;
  }

  /** Moves the pointer to the middle of an element. */
  void pointAt(String selector) {
    JsonArray middle =
        evaluate(
                "(() => { const e = document.querySelector('"
                    + selector
                    + "'); e.scrollIntoView({block: 'center', behavior: 'instant'});"
                    + " const b = e.getBoundingClientRect();"
                    + " return [b.left + b.width / 2, b.top + b.height / 2]; })()")
            .getAsJsonArray();
    for (int i = 0; i < 2; i++) {
      call(
          "Input.dispatchMouseEvent",
          Map.of(
              "type",
              "mouseMoved",
              "x",
              middle.get(0).getAsDouble() + i,
              "y",
              middle.get(1).getAsDouble()));
    }
  }

  void screenshot(Path file) throws IOException {
    JsonObject shot =
        call("Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", true));
    Files.write(file, Base64.getDecoder().decode(shot.get("data").getAsString()));
  }

  byte[] pdf() {
    JsonObject printed = call("Page.printToPDF", Map.of());
    return Base64.getDecoder().decode(printed.get("data").getAsString());
  }

  /** What went wrong in the page since it was opened. */
  List<String> errors() {
    evaluate("1"); // hears what came before it
    return errors;
  }

  /** Every address that was asked for since the page was opened. */
  List<String> requests() {
    evaluate("1");
    return requests;
  }

  @Override
  public void close() {
    socket.sendText("{\"id\":0,\"method\":\"Browser.close\"}", true).join();
    try {
      if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
