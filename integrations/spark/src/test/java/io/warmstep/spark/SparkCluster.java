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
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * A standalone cluster: a master and two workers as processes of their own, from the jars that this
 * test has. Each worker is in a network namespace, as a host of its own, where that is possible,
 * else on loopback; it has two cores and announces two GPUs, whether there are any or not.
 */
final class SparkCluster implements AutoCloseable {
  /** Of the GPUs that each worker announces: numbers, or the beginnings of UUIDs. */
  static final List<List<String>> GPUS = List.of(List.of("0", "1"), List.of("GPU-a2", "GPU-a3"));

  private static final Pattern STARTED = Pattern.compile("Starting Spark master at (spark://\\S+)");
  private static final int WORKERS = 2;
  private static final int CORES = 2;

  /** Another one for each process, of those that may run side by side. */
  private static final String NETWORK = "10.213." + ProcessHandle.current().pid() % 256 + ".";

  private final Path home;
  private final String driver;
  private final Cleanup parts = new Cleanup();
  private final List<String> classes = new ArrayList<>();
  private String master;
  private JavaSparkContext spark;
  private Map<String, String> settings;

  private SparkCluster(Path home, String driver) {
    this.home = home;
    this.driver = driver;
  }

  static SparkCluster start(Path folder) throws Exception {
    boolean hasHosts = namespacesProblem() == null;
    SparkCluster cluster = new SparkCluster(folder, hasHosts ? NETWORK + 1 : "127.0.0.1");
    try {
      if (hasHosts) {
        List<String> namespaces = addNamespaces(cluster.parts);
        cluster.start(namespaces, List.of(NETWORK + 2, NETWORK + 3));
      } else {
        cluster.start(List.of(), List.of("127.0.0.1", "127.0.0.1"));
      }
      return cluster;
    } catch (Exception | Error e) {
      cluster.close();
      throw e;
    }
  }

  private static String id() {
    return Long.toString(ProcessHandle.current().pid() % 100_000);
  }

  /** A bridge that is this host's, and behind it a namespace for each worker; their names. */
  private static List<String> addNamespaces(Cleanup parts)
      throws IOException, InterruptedException {
    String id = id();
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

  /** Pulls the cable of the last worker's host, or plugs it in again. Needs namespaces. */
  static void link(boolean isUp) throws IOException, InterruptedException {
    ip("link set wsv" + id() + (WORKERS - 1) + (isUp ? " up" : " down"));
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
    master = startMaster();
    for (int i = 0; i < hosts.size(); i++) {
      List<String> prefix =
          namespaces.isEmpty() ? List.of() : List.of("ip", "netns", "exec", namespaces.get(i));
      List<String> options =
          List.of(
              "-Dspark.worker.resource.gpu.amount=" + GPUS.get(i).size(),
              "-Dspark.worker.resource.gpu.discoveryScript=" + discovery(i));
      launch(
          prefix,
          options,
          hosts.get(i),
          "org.apache.spark.deploy.worker.Worker --cores "
              + CORES
              + " --memory 700m --webui-port 0 --host "
              + hosts.get(i)
              + " --work-dir "
              + home.resolve("work" + i)
              + " "
              + master);
    }
  }

  /** A script that says which GPUs a worker has. */
  private Path discovery(int worker) throws IOException {
    String addresses =
        GPUS.get(worker).stream()
            .map(address -> '"' + address + '"')
            .collect(Collectors.joining(", "));
    Path script =
        Files.writeString(
            home.resolve("gpus" + worker),
            "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [" + addresses + "]}'\n");
    if (!script.toFile().setExecutable(true)) {
      throw new IOException("cannot make " + script + " executable");
    }
    return script;
  }

  private String startMaster() throws Exception {
    Process master =
        launch(
            List.of(),
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
  private Process launch(List<String> prefix, List<String> options, String host, String arguments)
      throws IOException {
    List<String> command = new ArrayList<>(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(argument -> argument.startsWith("--add-"))
        .forEach(command::add);
    command.addAll(List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    command.addAll(options);
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

  /** A context in which each of the two executors has one task at a time. */
  JavaSparkContext spark() {
    return spark(Map.of("spark.task.cpus", Integer.toString(CORES)));
  }

  /** A context in which each of the four tasks has a GPU of its own. */
  JavaSparkContext sparkOnGpus(Path simulator) {
    return spark(
        Map.of(
            "spark.executor.resource.gpu.amount",
            "2",
            "spark.task.resource.gpu.amount",
            "1",
            "spark.executorEnv.LD_PRELOAD",
            simulator.toString(),
            "spark.executorEnv.CUDASIM_DEVICES",
            "4"));
  }

  /** The context if it has these settings, or another one in its place. */
  private JavaSparkContext spark(Map<String, String> wanted) {
    if (wanted.equals(settings)) {
      return spark;
    }
    settings = null;
    if (spark != null) {
      spark.stop();
    }
    SparkConf conf =
        new SparkConf()
            .setMaster(master)
            .setAppName("warmstep")
            .set("spark.ui.enabled", "false")
            .set("spark.driver.host", driver)
            .set("spark.driver.bindAddress", driver)
            .set("spark.executor.memory", "512m")
            // The simulated driver takes half a megabyte of each thread's stack.
            .set("spark.executor.extraJavaOptions", "-XX:TieredStopAtLevel=1 -Xss2m")
            .set("spark.executor.extraClassPath", String.join(File.pathSeparator, classes))
            .set("spark.cores.max", Integer.toString(WORKERS * CORES)) // all are waited for
            .set("spark.scheduler.minRegisteredResourcesRatio", "1.0")
            .set("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s")
            .set("spark.stage.maxConsecutiveAttempts", "8");
    wanted.forEach(conf::set);
    spark = new JavaSparkContext(conf);
    settings = wanted;
    spark.setLogLevel("OFF");
    return spark;
  }

  /** The lines that executors wrote to their standard error. */
  List<String> errors() throws IOException {
    List<Path> logs;
    try (Stream<Path> files = Files.walk(home)) {
      logs = files.filter(file -> file.endsWith("stderr")).toList();
    }
    List<String> lines = new ArrayList<>();
    for (Path log : logs) {
      lines.addAll(Files.readAllLines(log));
    }
    return lines;
  }

  @Override
  public void close() throws IOException {
    if (spark != null) {
      spark.stop();
    }
    parts.close();
  }
}
