package io.warmstep.spark;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * A standalone cluster: a master and two workers as processes of their own, from the jars that this
 * test has. Workers are on loopback or each in a network namespace, as a host of its own.
 */
final class SparkCluster implements AutoCloseable {
  private static final Pattern STARTED = Pattern.compile("Starting Spark master at (spark://\\S+)");
  private static final int WORKERS = 2;
  private static final String NETWORK = "10.213.77.";

  private final Path home;
  private final String driver;
  private final Cleanup parts = new Cleanup();
  private JavaSparkContext spark;

  private SparkCluster(Path home, String driver) {
    this.home = home;
    this.driver = driver;
  }

  static SparkCluster onLoopback(Path folder) throws Exception {
    SparkCluster cluster = new SparkCluster(folder, "127.0.0.1");
    cluster.start(List.of(), List.of("127.0.0.1", "127.0.0.1"));
    return cluster;
  }

  /** Needs root. */
  static SparkCluster inNamespaces(Path folder) throws Exception {
    SparkCluster cluster = new SparkCluster(folder, NETWORK + 1);
    try {
      List<String> namespaces = addNamespaces(cluster.parts);
      cluster.start(namespaces, List.of(NETWORK + 2, NETWORK + 3));
      return cluster;
    } catch (Exception | Error e) {
      cluster.close();
      throw e;
    }
  }

  /** A bridge that is this host's, and behind it a namespace for each worker; their names. */
  private static List<String> addNamespaces(Cleanup parts)
      throws IOException, InterruptedException {
    String id = Long.toString(ProcessHandle.current().pid() % 100_000);
    String bridge = "wsb" + id;
    ip("link add " + bridge + " type bridge");
    parts.add(() -> ip("link del " + bridge));
    ip("addr add " + NETWORK + "1/24 dev " + bridge);
    ip("link set " + bridge + " up");
    List<String> namespaces = new ArrayList<>();
    for (int i = 0; i < WORKERS; i++) {
      String name = "ws" + id + "n" + i;
      ip("netns add " + name);
      parts.add(() -> ip("netns del " + name));
      ip("link add wsv" + id + i + " type veth peer name eth0 netns " + name);
      ip("link set wsv" + id + i + " master " + bridge + " up");
      ip("-n " + name + " addr add " + NETWORK + (2 + i) + "/24 dev eth0");
      ip("-n " + name + " link set eth0 up");
      ip("-n " + name + " link set lo up");
      namespaces.add(name);
    }
    return namespaces;
  }

  /** Makes namespaces, says what they are called and waits to be ended. */
  public static void main(String[] arguments) throws Exception {
    try (Cleanup parts = new Cleanup()) {
      System.out.println(String.join(" ", addNamespaces(parts)));
      Thread.sleep(Long.MAX_VALUE);
    }
  }

  /** Why there can be no namespaces, or null. */
  static String namespacesProblem() throws InterruptedException {
    String name = "wsprobe" + ProcessHandle.current().pid();
    try {
      ip("netns add " + name);
      ip("netns del " + name);
      return null;
    } catch (IOException e) {
      return e.getMessage();
    }
  }

  private static void ip(String arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments.split(" ", -1)));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException("ip " + arguments + ": " + said.strip());
    }
  }

  private void start(List<String> namespaces, List<String> hosts) throws Exception {
    try {
      List<String> classes = new ArrayList<>();
      Files.createDirectories(home.resolve("jars"));
      Files.createFile(home.resolve("RELEASE")); // Spark takes it for a distribution
      for (String entry : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
        Path path = Path.of(entry).toAbsolutePath();
        if (Files.isDirectory(path)) {
          classes.add(path.toString());
        } else if (Files.exists(path)) {
          Files.createSymbolicLink(home.resolve("jars").resolve(path.getFileName()), path);
        }
      }
      String master = startMaster();
      for (int i = 0; i < hosts.size(); i++) {
        List<String> prefix =
            namespaces.isEmpty() ? List.of() : List.of("ip", "netns", "exec", namespaces.get(i));
        launch(
            prefix,
            hosts.get(i),
            "org.apache.spark.deploy.worker.Worker --cores 1 --memory 700m --webui-port 0 --host "
                + hosts.get(i)
                + " --work-dir "
                + home.resolve("work" + i)
                + " "
                + master);
      }
      spark =
          new JavaSparkContext(
              new SparkConf()
                  .setMaster(master)
                  .setAppName("warmstep")
                  .set("spark.ui.enabled", "false")
                  .set("spark.driver.host", driver)
                  .set("spark.driver.bindAddress", driver)
                  .set("spark.executor.memory", "512m")
                  .set("spark.executor.extraJavaOptions", "-XX:TieredStopAtLevel=1")
                  .set("spark.executor.extraClassPath", String.join(File.pathSeparator, classes))
                  .set("spark.scheduler.minRegisteredResourcesRatio", "1.0")
                  .set("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s"));
      spark.setLogLevel("OFF");
    } catch (Exception | Error e) {
      close();
      throw e;
    }
  }

  private String startMaster() throws Exception {
    Process master =
        launch(
            List.of(),
            driver,
            "org.apache.spark.deploy.master.Master --port 0 --webui-port 0 --host " + driver);
    CompletableFuture<String> address = new CompletableFuture<>();
    Thread reader =
        new Thread(
            () -> {
              try (BufferedReader lines =
                  new BufferedReader(
                      new InputStreamReader(master.getInputStream(), StandardCharsets.UTF_8))) {
                StringBuilder said = new StringBuilder();
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                  said.append(line).append('\n');
                  Matcher matcher = STARTED.matcher(line);
                  if (matcher.find()) {
                    address.complete(matcher.group(1));
                  }
                }
                address.completeExceptionally(new IOException("no master: " + said));
              } catch (IOException e) {
                address.completeExceptionally(e);
              }
            });
    reader.setDaemon(true);
    reader.start();
    return address.get(120, TimeUnit.SECONDS);
  }

  /** Of Spark, with the options that this process has for it. */
  private Process launch(List<String> prefix, String host, String arguments) throws IOException {
    List<String> command = new ArrayList<>(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(argument -> argument.startsWith("--add-"))
        .forEach(command::add);
    command.addAll(List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", home.resolve("jars") + "/*"));
    command.addAll(Arrays.asList(arguments.split(" ", -1)));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    if (arguments.contains(".worker.")) {
      builder.redirectOutput(home.resolve("worker-" + parts.size() + ".log").toFile());
    }
    builder.environment().put("SPARK_LOCAL_IP", host);
    builder.environment().put("SPARK_HOME", home.toString());
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process process = builder.start();
    parts.add(
        () -> {
          process.destroy(); // a worker ends its executors
          if (!process.waitFor(10, TimeUnit.SECONDS)) {
            process.destroyForcibly().waitFor();
          }
        });
    return process;
  }

  JavaSparkContext spark() {
    return spark;
  }

  @Override
  public void close() throws IOException {
    if (spark != null) {
      spark.stop();
    }
    parts.close();
  }
}
