package io.warmstep.backend.opencl;

import io.warmstep.ElementType;
import io.warmstep.KernelBuildException;
import io.warmstep.WarmstepException;
import io.warmstep.backend.StepPlan;
import io.warmstep.backend.UpdateTiles;
import io.warmstep.rule.TensorSums;
import io.warmstep.storage.Storage;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jocl.CL;
import org.jocl.cl_device_id;
import org.jocl.cl_program;

/** Programs built for one device, each once. */
final class Programs implements AutoCloseable {
  /** Bytes of the update's arguments beside the parameter groups, with room for alignment. */
  private static final int OTHER_ARGUMENTS = 192;

  /** The update chooses among them by comparing, which should cost next to nothing. */
  private static final int MAX_GROUPS = 16;

  /**
   * Room for so many where there are several, and on a processor, whose work-items choose once for
   * a whole tile, also where there is one: were it for just as many as there are, each number of
   * groups would be a program of its own to compile.
   */
  private static final int FEW_GROUPS = 4;

  private final OpenClContext context;
  private final WorkShape shape;
  private final Map<String, cl_program> built;
  private final boolean isOwner;

  /** What kernels that read a step's numbers and scale are built with besides. */
  private final String source;

  Programs(OpenClContext context, WorkShape shape) {
    this(context, shape, new HashMap<>(), true, "");
  }

  /** With programs of the context that others have built; what is built here is added to them. */
  Programs(OpenClContext context, WorkShape shape, Map<String, cl_program> shared) {
    this(context, shape, shared, false, "");
  }

  private Programs(
      OpenClContext context,
      WorkShape shape,
      Map<String, cl_program> built,
      boolean isOwner,
      String source) {
    this.context = context;
    this.shape = shape;
    this.built = built;
    this.isOwner = isOwner;
    this.source = source;
  }

  /** The same where these come from an {@link AheadRing}. */
  Programs ahead() {
    return new Programs(context, shape, built, false, " -DWS_AHEAD");
  }

  WorkShape shape() {
    return shape;
  }

  /**
   * How many of the groups under a rule one launch has room for, their numbers being an argument.
   */
  int groups(StepPlan.SameRule rule, boolean isDouble) {
    int bytes =
        (rule.scalars() + GroupNumbers.OTHER_FIELDS) * (isDouble ? Double.BYTES : Float.BYTES);
    int most = (context.device.maxParameterBytes() - OTHER_ARGUMENTS) / bytes;
    int count = rule.groups().size();
    boolean isAlone = count == 1 && !shape.isOfProcessor();
    int room = isAlone ? 1 : count <= FEW_GROUPS ? FEW_GROUPS : MAX_GROUPS;
    return Math.max(1, Math.min(room, most));
  }

  /** Longs of a segment of matrices whose factors move: see factors.cl. */
  static final int FACTOR_SEGMENT_FIELDS = 12;

  /** Longs that say where the factors of a segment are: see operands.h. */
  static final int FACTORED_FIELDS = 4;

  /** Longs of a segment of the update: see step.cl. */
  static int segmentFields(int operands) {
    return 3 + operands;
  }

  /** The same where operands are stored in several ways. */
  static int mixedSegmentFields(int operands) {
    return segmentFields(operands) + 4;
  }

  /** The same for the first phase of a rule with sums: see sums.cl. */
  static int sumSegmentFields(int operands, int kept, boolean isMixed) {
    return segmentFields(operands) + (isMixed ? 2 : 0) + 3 + kept;
  }

  /**
   * The update of parameters of a type.
   *
   * @param operands how many they have
   * @param encodings how each is stored, as mixed.h calls it; empty if all are as the type says
   * @param averages whether an average of the parameters is kept
   * @param isFactored whether the first slot is kept as factors
   * @param clipsTensors whether gradients are clipped tensor by tensor
   * @param isMeasured whether it measures itself: see measure.h
   */
  Kernel step(
      StepPlan.SameRule rule,
      ElementType type,
      int operands,
      List<String> encodings,
      boolean averages,
      boolean isFactored,
      boolean clipsTensors,
      boolean isMeasured) {
    boolean isMixed = !encodings.isEmpty();
    int fields =
        isMixed
            ? mixedSegmentFields(operands)
            : segmentFields(operands) + (isFactored ? FACTORED_FIELDS : 0);
    boolean isCoded = isCoded(encodings);
    int local = isMeasured ? shape.measuredLocal(type, isCoded) : shape.stepLocal();
    int units =
        isMeasured
            ? UpdateTiles.TILE / (shape.lanes(type) * local)
            : shape.stepUnits(type, isCoded, drawsRuns(encodings));
    String options =
        options(isMixed ? type.arithmetic() : type, local)
            + " -DWS_UNITS="
            + units
            + ruleOptions(rule, type, operands, fields)
            + mixedOptions(encodings)
            + (averages ? " -DWS_AVERAGES" : "")
            + (isFactored ? " -DWS_FACTORED" : "")
            + (clipsTensors ? " -DWS_TENSOR_FACTORS" : "")
            + (isMeasured ? " -DWS_MEASURED" : "");
    return kernel("step.cl", rule.kernel(), options, "ws_step", local);
  }

  /** Elements that a work-group of the update works on. */
  int tileLength(ElementType type, List<String> encodings) {
    return shape.lanes(type)
        * shape.stepLocal()
        * shape.stepUnits(type, isCoded(encodings), drawsRuns(encodings));
  }

  /**
   * Whether tiles are runs of elements that share random numbers, which a processor's work-item
   * draws at once.
   */
  boolean drawsRuns(List<String> encodings) {
    return shape.isOfProcessor()
        && encodings.stream().anyMatch(encoding -> encoding.endsWith("_random"));
  }

  private String mixedOptions(List<String> encodings) {
    StringBuilder options = new StringBuilder();
    for (int i = 0; i < encodings.size(); i++) {
      String operand = i == 0 ? "VALUES" : i == 1 ? "GRADIENTS" : Integer.toString(i - 2);
      options.append(" -DWS_STORED_").append(operand).append('=').append(encodings.get(i));
    }
    return options.isEmpty()
        ? ""
        : " -DWS_MIXED"
            + (isCoded(encodings) ? " -DWS_CODED" : "")
            + (drawsRuns(encodings) ? " -DWS_DRAWN" : "")
            + options;
  }

  private static boolean isCoded(List<String> encodings) {
    return encodings.stream().anyMatch(encoding -> encoding.startsWith("int8"));
  }

  /** A kernel of what comes before the update of a rule with sums; the encodings are as there. */
  Kernel sums(
      StepPlan.SameRule rule,
      String entry,
      ElementType type,
      int operands,
      List<String> encodings,
      int kept,
      boolean isFactored) {
    boolean isMixed = !encodings.isEmpty();
    int fields = sumSegmentFields(operands, kept, isMixed) + (isFactored ? FACTORED_FIELDS : 0);
    String options =
        options(isMixed ? type.arithmetic() : type, shape.normLocal())
            + " -DWS_KEPT="
            + kept
            + ruleOptions(rule, type, operands, fields)
            + mixedOptions(encodings)
            + (isFactored ? " -DWS_FACTORED" : "");
    return kernel("sums.cl", rule.kernel(), options, entry, shape.normLocal());
  }

  /** A kernel that moves the factors of a rule. */
  Kernel factors(StepPlan.SameRule rule, String entry, ElementType type) {
    String options =
        options(type, shape.normLocal()) + ruleOptions(rule, type, 2, FACTOR_SEGMENT_FIELDS);
    return kernel("factors.cl", rule.kernel(), options, entry, shape.normLocal());
  }

  private String ruleOptions(
      StepPlan.SameRule rule, ElementType type, int operands, int segmentFields) {
    return source
        + " -DWS_GROUPS="
        + groups(rule, type == ElementType.FLOAT64)
        + " -DWS_FIRST="
        + rule.sums().map(TensorSums::firstNumbers).orElse(0)
        + " -DWS_SLOTS_USED="
        + (operands - 2)
        + " -DWS_SEGMENT="
        + segmentFields
        + " -DWS_RULE="
        + rule.kernel()
        + " -DWS_RULE_UPPER="
        + rule.kernel().toUpperCase(Locale.ROOT);
  }

  Kernel norm(String entry, ElementType type) {
    return kernel("norm.cl", null, options(type, shape.normLocal()), entry, shape.normLocal());
  }

  /** What ends the norm. */
  Kernel normFinish(ElementType arithmetic) {
    String options = options(arithmetic, shape.normLocal()) + source;
    return kernel("norm.cl", null, options, "ws_norm_finish", 1).single();
  }

  /** A kernel of one work-item of an {@link AheadRing}. */
  Kernel ahead(String entry, boolean isDouble) {
    String options =
        isDouble
            ? options(ElementType.FLOAT64, 1)
            : options(ElementType.FLOAT32, 1) + " -DWS_DOUBLE";
    return kernel("ahead.cl", null, options, entry, 1).single();
  }

  /** What puts a step's numbers, of so many words, into a ring. */
  Kernel put(int words) {
    String options = options(ElementType.FLOAT32, 1) + " -DWS_WORDS=" + words;
    return kernel("ahead.cl", null, options, "ws_put", 1).single();
  }

  /** What forms the factors of adaptive clipping. */
  Kernel tensorFactors(ElementType arithmetic) {
    String options = options(arithmetic, shape.normLocal());
    return kernel("clip.cl", null, options, "ws_tensor_factors", shape.normLocal());
  }

  /** A kernel of a matrix phase, on numbers of an arithmetic type. */
  Kernel matrix(String entry, ElementType arithmetic, int tensorNumbers) {
    int side = shape.matrixSide();
    String options =
        options(arithmetic, side * side) + " -DWS_SIDE=" + side + " -DWS_NUMBERS=" + tensorNumbers;
    return kernel("matrix.cl", null, options, entry, side * side);
  }

  /** What sets elements of so many bytes to zero. */
  Kernel zero(int bytes) {
    int local = shape.stepLocal();
    String options =
        "-cl-std=CL1.2"
            + context.bufferOptions()
            + " -DWS_WORD="
            + (bytes == Short.BYTES ? "ushort" : bytes == Integer.BYTES ? "uint" : "ulong")
            + " -DWS_LOCAL="
            + local
            + " -DWS_TILE="
            + shape.zeroTile();
    return kernel("zero.cl", null, options, "ws_zero", local);
  }

  private String options(ElementType type, int local) {
    if (type == ElementType.FLOAT64 && !context.device.hasDouble()) {
      throw new KernelBuildException(
          context.device.name()
              + " does not compute in float64: use float32 parameters or another device",
          null);
    }
    return "-cl-std=CL1.2"
        + context.bufferOptions()
        + (context.device.roundsCorrectly() ? " -cl-fp32-correctly-rounded-divide-sqrt" : "")
        + (type == ElementType.FLOAT64 ? " -DWS_ARITHMETIC=64 -DWS_DOUBLE" : " -DWS_ARITHMETIC=32")
        + (Storage.of(type).isArithmetic() ? "" : " -DWS_STORED=" + type)
        + " -DWS_LANES="
        + shape.lanes(type)
        + " -DWS_LOCAL="
        + local;
  }

  private Kernel kernel(String file, String rule, String options, String entry, int local) {
    cl_program program;
    synchronized (built) {
      program = built.get(file + options);
      if (program == null) {
        program = build(context, file, KernelSource.load(file, rule), options);
        built.put(file + options, program);
      }
    }
    return new Kernel(context, program, entry, local);
  }

  /**
   * One at a time in the process, because compilers share folders for temporary files and caches.
   * Other processes do so too: PoCL then loses a file, rarely, and has it the next time.
   */
  static synchronized cl_program build(
      OpenClContext context, String file, String source, String options) {
    try {
      return buildOnce(context, file, source, options);
    } catch (KernelBuildException e) {
      if (!context.device.isPocl()) {
        throw e;
      }
      return buildOnce(context, file, source, options);
    }
  }

  private static cl_program buildOnce(
      OpenClContext context, String file, String source, String options) {
    String device = context.device.name();
    cl_program program =
        OpenCl.created(
            result ->
                CL.clCreateProgramWithSource(
                    context.context, 1, new String[] {source}, null, result),
            "clCreateProgramWithSource",
            device,
            0);
    // A context of the caller's may have other devices too, which need not take these options.
    cl_device_id[] devices = {context.device.id()};
    int code =
        OpenCl.code(() -> CL.clBuildProgram(program, devices.length, devices, options, null, null));
    if (code == CL.CL_SUCCESS) {
      return program;
    }
    String log = log(context.device, program);
    OpenCl.released(() -> CL.clReleaseProgram(program), "clReleaseProgram");
    throw new KernelBuildException(
        "the OpenCL compiler of "
            + device
            + " refuses "
            + file
            + " with "
            + CL.stringFor_errorCode(code)
            + ", options "
            + options
            + ": update its driver or use another device; its log:\n"
            + log,
        null);
  }

  private static String log(DeviceInfo device, cl_program program) {
    try {
      return OpenCl.text(
          "clGetProgramBuildInfo",
          device.name(),
          (size, value, sizeOut) ->
              CL.clGetProgramBuildInfo(
                  program, device.id(), CL.CL_PROGRAM_BUILD_LOG, size, value, sizeOut));
    } catch (WarmstepException e) {
      return "none, because " + e.getMessage();
    }
  }

  @Override
  public void close() {
    if (!isOwner) {
      return;
    }
    synchronized (built) {
      built
          .values()
          .forEach(
              program -> OpenCl.released(() -> CL.clReleaseProgram(program), "clReleaseProgram"));
      built.clear();
    }
  }
}
