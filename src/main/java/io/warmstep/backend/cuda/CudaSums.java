package io.warmstep.backend.cuda;

import io.warmstep.ElementType;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.SumKind;
import io.warmstep.backend.cpu.HostedSums;
import io.warmstep.rule.NewtonSchulz;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import jcuda.Pointer;
import jcuda.driver.CUfunction;

/**
 * The launches that come before the update of a rule with sums over each tensor or group: one of a
 * block per leaf and one of a block per tensor or group. They have the update's arguments, in front
 * of which lies what is theirs. Under a rule with a matrix phase the first is two, one that is like
 * an update and one that adds up what that leaves in a slot, and the phase comes last.
 */
final class CudaSums {
  private final CudaContext context;
  private final CUfunction sums;
  private final CUfunction numbers;
  private final TileTable leaves;
  private final Arena.Part tensors;
  private final Arena.Part leafSums;
  private final Arena.Part exponents;
  private final Arena.Part wholes; // what is added up over: the tensors, or the groups
  private final Arena.Part wholeNumbers;
  private final int wholeCount;
  private final int nameHash;
  private final List<SumKind> kinds;
  private final CudaMatrices matrices; // or null
  private final CudaFactors factors; // or null
  private ByteBuffer buffer; // of the arguments
  private final Arena.Part leafTensors; // of the slot that goes through the matrix phase
  private final ByteBuffer leafArguments = Cuda.direct(Layout.LEAF_ARGUMENTS_BYTES);
  private final Pointer leafPointer = Pointer.to(Pointer.to(leafArguments));
  private final CUfunction first;
  private final int tiles;

  /** By group, of those whose sums are added up with other workers. */
  private final Map<Integer, Shared> shared = new HashMap<>();

  /** Such a group's sums, and the place of its first leaf among all. */
  private record Shared(HostedSums sums, long first) {}

  /**
   * Prepares them.
   *
   * @param tiles of the update
   * @param lenders of a workspace for matrices
   */
  CudaSums(
      CudaContext context,
      Kernels kernels,
      Arena arena,
      StepPlan plan,
      StepPlan.SameRule rule,
      List<CudaSpan> spans,
      int tiles,
      List<CudaMatrices> lenders) {
    ElementType type = spans.get(0).type;
    Optional<NewtonSchulz> phase = plan.groups().get(spans.get(0).group).rule().matrix();
    this.context = context;
    this.tiles = tiles;
    StoredConstants stored = spans.get(0).constants();
    String kind = phase.isEmpty() ? "sums_" + rule.sumsKernel() : "first_" + rule.kernel();
    CUfunction moving =
        stored.areMixed()
            ? kernels.get("mixed_" + rule.kernel(), stored.first())
            : kernels.get(kind + "_" + type);
    this.first = phase.isEmpty() ? null : moving;
    this.sums = phase.isEmpty() ? moving : kernels.get("leaves_" + type.arithmetic());
    this.numbers = kernels.get("numbers_" + type.arithmetic());
    this.nameHash = nameHash(rule.sumsKernel());
    this.kinds = rule.sums().orElseThrow().kinds().stream().map(SumKind::of).toList();
    this.leaves = new TileTable(arena, spans.stream().mapToLong(CudaSpan::leaves).toArray());
    this.tensors = arena.table((long) spans.size() * Layout.SUM_WHOLE_BYTES);
    this.wholeCount = rule.isOfGroups() ? rule.groups().size() : spans.size();
    this.wholes =
        rule.isOfGroups() ? arena.table((long) wholeCount * Layout.SUM_WHOLE_BYTES) : tensors;
    long count = (long) leaves.blocks() * kinds.size();
    int realBytes = type.arithmetic().bytes();
    this.leafSums = arena.reserve(count * realBytes);
    this.exponents = arena.reserve(count * Integer.BYTES);
    this.wholeNumbers = arena.reserve((long) wholeCount * StepPlan.MAX_NUMBERS * realBytes);
    this.matrices =
        phase.isEmpty() ? null : new CudaMatrices(context, kernels, arena, plan, spans, lenders);
    this.factors =
        spans.stream().allMatch(span -> span.factors == null)
            ? null
            : new CudaFactors(context, kernels, arena, List.copyOf(spans));
    this.leafTensors =
        arena.table(phase.isEmpty() ? 0 : (long) spans.size() * Layout.LEAF_TENSOR_BYTES);
    long firstLeaf = 0;
    for (CudaSpan span : spans) {
      span.writeSums(tensors.content(), firstLeaf, rule.groups().indexOf(span.group));
      if (phase.isPresent()) {
        span.writeLeaves(leafTensors.content(), 2 + phase.get().slot(), firstLeaf);
      }
      firstLeaf += span.leaves();
    }
    if (rule.isOfGroups()) {
      writeGroups(plan, rule, spans);
    }
  }

  /** The matrix phase, if the rule has one. */
  Optional<CudaMatrices> matrices() {
    return Optional.ofNullable(matrices);
  }

  /** In the order of the launch's groups, whose tensors follow each other in the plan's. */
  private void writeGroups(StepPlan plan, StepPlan.SameRule rule, List<CudaSpan> spans) {
    List<Integer> ofAll = plan.sharedGroups();
    long firstLeaf = 0;
    for (int i = 0; i < rule.groups().size(); i++) {
      int group = rule.groups().get(i);
      List<CudaSpan> members = spans.stream().filter(span -> span.group == group).toList();
      if (members.isEmpty()) {
        wholes.content().put(new byte[Layout.SUM_WHOLE_BYTES]);
      } else {
        boolean isShared = ofAll.contains(group);
        long leaves = members.stream().mapToLong(CudaSpan::leaves).sum();
        members
            .get(0)
            .writeGroup(
                wholes.content(),
                firstLeaf,
                isShared ? 1 : leaves,
                plan.groups().get(group).elements(),
                i);
        if (isShared) {
          boolean areDouble = members.get(0).type == ElementType.FLOAT64;
          int own = members.get(0).isEmpty() ? 0 : Math.toIntExact(leaves);
          HostedSums hosted =
              new HostedSums(
                  plan.options().leafExchange(), rule.sums().orElseThrow(), areDouble, own);
          shared.put(group, new Shared(hosted, firstLeaf));
        }
        firstLeaf += leaves;
      }
    }
  }

  /** FNV-1a, by which sums.cu knows a rule. */
  static int nameHash(String name) {
    int hash = 0x811c9dc5;
    for (int i = 0; i < name.length(); i++) {
      hash = (hash ^ name.charAt(i)) * 0x01000193;
    }
    return hash;
  }

  /** What sums.cu knows of all sums: see SumArguments. */
  static long kinds(List<SumKind> kinds) {
    long codes = 0;
    for (int i = 0; i < kinds.size(); i++) {
      codes |= (long) (kinds.get(i).code() + 1) << (3 * i);
    }
    return codes;
  }

  /** Writes what stays the same; the arena is allocated by now. */
  void setFixed(ByteBuffer arguments, long normResult) {
    if (matrices != null) {
      matrices.setFixed(normResult, wholeNumbers.address());
      leafArguments.putLong(leaves.address()).putLong(leafTensors.address());
      leafArguments.putLong(leafSums.address()).putLong(exponents.address());
      leafArguments.putInt(Layout.LEAF_KIND, SumKind.SQUARES.code());
    }
    buffer = arguments;
    if (factors != null) {
      factors.setFixed(tensors.content());
    }
    arguments.putLong(Layout.SUM_LEAVES, leaves.address());
    arguments.putLong(Layout.SUM_TENSORS, tensors.address());
    arguments.putLong(Layout.SUM_WHOLES, wholes.address());
    arguments.putLong(Layout.SUM_SUMS, leafSums.address());
    arguments.putLong(Layout.SUM_EXPONENTS, exponents.address());
    arguments.putLong(Layout.SUM_NUMBERS, wholeNumbers.address());
    arguments.putLong(Layout.SUM_LEAF_COUNT, leaves.blocks());
    arguments.putLong(Layout.SUM_RULE, nameHash & 0xffffffffL);
    arguments.putLong(Layout.SUM_KINDS, kinds(kinds));
  }

  /**
   * With the context current: the first launches of one step. Allocates nothing.
   *
   * @param phase the arguments of what goes over elements
   * @param arguments the same from those of the sums on
   */
  void launchLeaves(Pointer phase, Pointer arguments) {
    if (factors != null) {
      factors.launch(buffer, arguments);
    }
    if (matrices == null) {
      context.launch(sums, leaves.blocks(), phase);
    } else {
      context.launch(first, tiles, phase);
      context.launch(sums, leaves.blocks(), leafPointer);
    }
  }

  /** With the context current: exchanges the leaves of a group, if they are among these. */
  void exchange(int group) {
    Shared its = shared.get(group);
    if (its == null) {
      return;
    }
    HostedSums hosted = its.sums;
    int count = hosted.leaves();
    for (int k = 0; k < hosted.kinds() && count > 0; k++) {
      read(sumAddress(its, k), hosted.sums(k, count));
      read(exponentAddress(its, k), hosted.exponents(k, count));
    }
    context.waitForStream();
    hosted.join();
    for (int k = 0; k < hosted.kinds(); k++) {
      context.startWriting(sumAddress(its, k), hosted.sums(k, 1), hosted.realBytes());
      context.startWriting(exponentAddress(its, k), hosted.exponents(k, 1), Integer.BYTES);
    }
  }

  private long sumAddress(Shared its, int sum) {
    return leafSums.address() + place(its, sum) * its.sums.realBytes();
  }

  private long exponentAddress(Shared its, int sum) {
    return exponents.address() + place(its, sum) * Integer.BYTES;
  }

  private long place(Shared its, int sum) {
    return (long) sum * leaves.blocks() + its.first;
  }

  private void read(long from, ByteBuffer to) {
    context.startReading(Pointer.to((Buffer) to), Cuda.pointer(from), to.capacity());
  }

  /**
   * With the context current: the launches that follow.
   *
   * @param arguments as of the first, from those of the sums on
   */
  void launchNumbers(Pointer arguments) {
    context.launch(numbers, wholeCount, arguments);
    if (matrices != null) {
      matrices.launch();
    }
  }
}
