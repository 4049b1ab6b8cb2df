package io.warmstep.spark;

import io.warmstep.Device;
import io.warmstep.Devices;
import io.warmstep.Optimizer;
import io.warmstep.Parameter;
import io.warmstep.Parameters;
import io.warmstep.ParametersBuilder;
import io.warmstep.ShardedOptimizer;
import io.warmstep.checkpoint.ShardedCheckpoint;
import io.warmstep.collective.Collective;
import io.warmstep.collective.TcpEndpoint;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.resource.ResourceInformation;
import scala.Tuple2;

/** One worker, as a task of a barrier stage; its rank is the number of its partition. */
final class WorkerTask<R> implements SparkTraining.Task<R> {
  private static final long serialVersionUID = 1L;
  private static final String CPU = "cpu";

  private final RowOrder order;
  private final LinkedHashMap<String, float[]> initial;
  private final GradientFunction<R> gradients;
  private final OptimizerChoice choice;
  private final long steps;
  private final Duration limit;
  private final String checkpoint; // null for none
  private final long every;
  private final String token;

  WorkerTask(
      RowOrder order,
      Map<String, float[]> initial,
      GradientFunction<R> gradients,
      OptimizerChoice choice,
      long steps,
      Duration limit,
      String checkpoint,
      long every,
      String token) {
    this.order = order;
    this.initial = new LinkedHashMap<>(initial);
    this.gradients = gradients;
    this.choice = choice;
    this.steps = steps;
    this.limit = limit;
    this.checkpoint = checkpoint;
    this.every = every;
    this.token = token;
  }

  @Override
  public Iterator<byte[]> run(Iterator<Tuple2<Long, R>> rows) throws IOException {
    List<Tuple2<Long, R>> own = new ArrayList<>();
    rows.forEachRemaining(own::add);
    own.sort(Comparator.comparing(Tuple2::_1));
    BarrierTaskContext context = BarrierTaskContext.get();
    int rank = context.partitionId();
    String address = context.getTaskInfos()[rank].address();
    String host = address.contains(":") ? address.substring(0, address.lastIndexOf(':')) : address;
    try (TcpEndpoint endpoint =
        TcpEndpoint.bind(InetAddress.getAllByName(host)[0], 0).limit(limit)) {
      List<String> addresses = List.of(context.allGather(endpoint.address()));
      String secret = token + "-" + context.stageAttemptNumber();
      try (Collective collective = endpoint.join(rank, addresses, secret);
          Device device = device(context)) {
        TrainedModel result = train(own, collective, device);
        return rank == 0 ? List.of(result.bytes()).iterator() : Collections.emptyIterator();
      }
    }
  }

  private static Device device(BarrierTaskContext context) {
    String name = deviceName(context.resourcesJMap());
    return name.equals(CPU) ? Devices.cpu(1) : Devices.require(name);
  }

  /** The device for what Spark has given to a task: its first GPU, else the processor. */
  static String deviceName(Map<String, ResourceInformation> resources) {
    ResourceInformation gpu = resources.get("gpu");
    return gpu == null || gpu.addresses().length == 0 ? CPU : "cuda:" + gpu.addresses()[0];
  }

  private TrainedModel train(List<Tuple2<Long, R>> rows, Collective collective, Device device)
      throws IOException {
    ParametersBuilder builder = Parameters.on(device);
    initial.forEach(builder::add);
    ModelParameters model = new ModelParameters(initial);
    double[] losses = new double[order.lanes()];
    try (Parameters parameters = builder.build();
        ShardedOptimizer optimizer =
            choice
                .choose(Optimizer.of(parameters))
                .sharded(collective)
                .lanes(order.lanes())
                .build()) {
      if (checkpoint != null && hasCheckpoint(collective)) {
        optimizer.restore(Path.of(checkpoint));
      }
      copy(parameters, model);
      double loss = Double.NaN;
      long step = optimizer.stepCount() + optimizer.skippedSteps();
      while (step < steps) {
        for (int lane = 0; lane < order.lanes(); lane++) {
          if (optimizer.isMine(lane)) {
            losses[lane] += accumulate(rows, step, lane, parameters, model, optimizer);
          }
        }
        optimizer.step(1.0 / order.rowsOf(step));
        copy(parameters, model);
        step++;
        if (step % order.batches() == 0 || step == steps) {
          long seen =
              step % order.batches() == 0 ? order.rows() : step % order.batches() * order.batch();
          loss = sum(losses, collective) / seen;
          Arrays.fill(losses, 0);
        }
        if (checkpoint != null && (step % every == 0 || step == steps)) {
          optimizer.save(Path.of(checkpoint));
        }
      }
      return new TrainedModel(model, optimizer.stepCount(), loss);
    }
  }

  /** As the first worker sees it, since a file may come to be seen by one before another. */
  private boolean hasCheckpoint(Collective collective) {
    boolean isThere = Files.exists(Path.of(checkpoint, ShardedCheckpoint.INDEX));
    return collective.exchange(new byte[] {(byte) (isThere ? 1 : 0)}).get(0)[0] == 1;
  }

  private double accumulate(
      List<Tuple2<Long, R>> rows,
      long step,
      int lane,
      Parameters parameters,
      ModelParameters model,
      ShardedOptimizer optimizer) {
    long from = order.firstRow(step, lane);
    long to = order.firstRow(step, lane + 1);
    if (from == to) {
      return 0;
    }
    List<R> own = new ArrayList<>((int) (to - from));
    for (int i = position(rows, from); i < rows.size() && rows.get(i)._1() < to; i++) {
      own.add(rows.get(i)._2());
    }
    model.zeroGradients();
    double loss = gradients.gradients(own, model);
    for (Parameter parameter : parameters) {
      parameter.gradients().copyFrom(model.gradients(parameter.name()));
    }
    optimizer.accumulate(lane);
    return loss;
  }

  /** Of a row's number among the rows. */
  private static <T> int position(List<Tuple2<Long, T>> rows, long number) {
    int low = 0;
    int high = rows.size();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (rows.get(middle)._1() < number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private static void copy(Parameters parameters, ModelParameters model) {
    for (Parameter parameter : parameters) {
      parameter.values().copyTo(model.values(parameter.name()));
    }
  }

  /** Over all lanes in their order; a lane is one worker's, the others have 0. */
  private static double sum(double[] losses, Collective collective) {
    ByteBuffer own = ByteBuffer.allocate(losses.length * Double.BYTES);
    own.asDoubleBuffer().put(losses);
    List<byte[]> all = collective.exchange(own.array());
    double sum = 0;
    for (int lane = 0; lane < losses.length; lane++) {
      double loss = 0;
      for (byte[] bytes : all) {
        loss += ByteBuffer.wrap(bytes).getDouble(lane * Double.BYTES);
      }
      sum += loss;
    }
    return sum;
  }
}
