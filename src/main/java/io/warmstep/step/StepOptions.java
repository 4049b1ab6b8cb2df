package io.warmstep.step;

import io.warmstep.MasterWeights;
import io.warmstep.Norm;
import io.warmstep.Rounding;

/** What a step does besides its rule. Immutable; a setter returns a copy. */
public final class StepOptions {
  /** Nothing besides the rule. */
  public static final StepOptions NONE = new StepOptions();

  private double clipNorm;
  private double clipEps = 1e-6;
  private Norm norm = Norm.L2;
  private double clipValue;
  private boolean zeroGradients;
  private boolean skipNonFinite;
  private double gradientScale = 1;
  private LeafExchange leafExchange;
  private UpdateProgress updateProgress;
  private MasterWeights masterWeights = MasterWeights.NONE;
  private StateStorage stateStorage = StateStorage.FLOAT32;
  private Rounding rounding = Rounding.NEAREST;
  private long seed;
  private double averageDecay;
  private AdaptiveClip adaptiveClip = AdaptiveClip.NONE;

  private StepOptions() {}

  private StepOptions copy() {
    StepOptions copy = new StepOptions();
    copy.clipNorm = clipNorm;
    copy.clipEps = clipEps;
    copy.norm = norm;
    copy.clipValue = clipValue;
    copy.zeroGradients = zeroGradients;
    copy.skipNonFinite = skipNonFinite;
    copy.gradientScale = gradientScale;
    copy.leafExchange = leafExchange;
    copy.updateProgress = updateProgress;
    copy.masterWeights = masterWeights;
    copy.stateStorage = stateStorage;
    copy.rounding = rounding;
    copy.seed = seed;
    copy.averageDecay = averageDecay;
    copy.adaptiveClip = adaptiveClip;
    return copy;
  }

  /**
   * These options with another largest global gradient norm.
   *
   * @param clipNorm above 0; infinite to measure the norm and clip nothing; 0 for neither
   * @return a copy
   */
  public StepOptions clipNorm(double clipNorm) {
    StepOptions copy = copy();
    copy.clipNorm = clipNorm;
    return copy;
  }

  /**
   * These options with another number that is added to the norm before it divides.
   *
   * @param clipEps at least 0
   * @return a copy
   */
  public StepOptions clipEps(double clipEps) {
    StepOptions copy = copy();
    copy.clipEps = clipEps;
    return copy;
  }

  /**
   * These options with another norm of the gradients.
   *
   * @param norm which one is clipped by and measured
   * @return a copy
   */
  public StepOptions norm(Norm norm) {
    StepOptions copy = copy();
    copy.norm = norm;
    return copy;
  }

  /**
   * These options with another largest magnitude of a gradient element.
   *
   * @param clipValue above 0, or 0 for no clipping by value
   * @return a copy
   */
  public StepOptions clipValue(double clipValue) {
    StepOptions copy = copy();
    copy.clipValue = clipValue;
    return copy;
  }

  /**
   * These options with another clipping of each tensor, where a group has none of its own.
   *
   * @param adaptiveClip the bound on its gradient's norm
   * @return a copy
   */
  public StepOptions adaptiveClip(AdaptiveClip adaptiveClip) {
    StepOptions copy = copy();
    copy.adaptiveClip = adaptiveClip;
    return copy;
  }

  /**
   * These options with gradients set to zero, or not, in the pass that reads them.
   *
   * @param zeroGradients whether to do so
   * @return a copy
   */
  public StepOptions zeroGradients(boolean zeroGradients) {
    StepOptions copy = copy();
    copy.zeroGradients = zeroGradients;
    return copy;
  }

  /**
   * These options with steps skipped, or not, that have a NaN or infinite gradient.
   *
   * @param skipNonFinite whether to do so
   * @return a copy
   */
  public StepOptions skipNonFinite(boolean skipNonFinite) {
    StepOptions copy = copy();
    copy.skipNonFinite = skipNonFinite;
    return copy;
  }

  /**
   * These options with gradients multiplied by another factor before anything else.
   *
   * @param gradientScale above 0 and a normal float32 number
   * @return a copy
   */
  public StepOptions gradientScale(double gradientScale) {
    StepOptions copy = copy();
    copy.gradientScale = gradientScale;
    return copy;
  }

  /**
   * These options for a step of a part of the model, whose norm is that of the whole.
   *
   * @param leafExchange gives the leaves of the whole model
   * @return a copy
   */
  public StepOptions leafExchange(LeafExchange leafExchange) {
    StepOptions copy = copy();
    copy.leafExchange = leafExchange;
    return copy;
  }

  /**
   * These options with somebody who hears how far the update has come.
   *
   * @param updateProgress hears of it, or null
   * @return a copy
   */
  public StepOptions updateProgress(UpdateProgress updateProgress) {
    StepOptions copy = copy();
    copy.updateProgress = updateProgress;
    return copy;
  }

  /**
   * These options with other masters of parameters that are stored in 16 bits.
   *
   * @param masterWeights what is kept
   * @return a copy
   */
  public StepOptions masterWeights(MasterWeights masterWeights) {
    StepOptions copy = copy();
    copy.masterWeights = masterWeights;
    return copy;
  }

  /**
   * These options with moments stored in another way, where a group has none of its own.
   *
   * @param stateStorage how they are stored
   * @return a copy
   */
  public StepOptions stateStorage(StateStorage stateStorage) {
    StepOptions copy = copy();
    copy.stateStorage = stateStorage;
    return copy;
  }

  /**
   * These options with another rounding to bfloat16.
   *
   * @param rounding how parameters without a master and state are rounded
   * @param seed of the random numbers, if there are any
   * @return a copy
   */
  public StepOptions rounding(Rounding rounding, long seed) {
    StepOptions copy = copy();
    copy.rounding = rounding;
    copy.seed = seed;
    return copy;
  }

  /**
   * These options with an average of the parameters, or without one.
   *
   * @param averageDecay what the average keeps of itself in a step at most, in (0, 1); 0 for none
   * @return a copy
   */
  public StepOptions averageDecay(double averageDecay) {
    StepOptions copy = copy();
    copy.averageDecay = averageDecay;
    return copy;
  }

  /**
   * What an average of the parameters takes of their values in a step: it keeps the smaller of the
   * decay and {@code (1 + step) / (10 + step)} of itself.
   *
   * @param step number of the step, from 1
   * @return in (0, 1], or 0 without an average
   */
  public double averageWeight(long step) {
    return averageDecay == 0 ? 0 : 1 - Math.min(averageDecay, (1.0 + step) / (10.0 + step));
  }

  /**
   * Largest global gradient norm.
   *
   * @return 0 if the norm is not needed, infinite if it is measured only
   */
  public double clipNorm() {
    return clipNorm;
  }

  /**
   * What is added to the norm: gradients are multiplied by {@code min(1, clipNorm / (norm +
   * clipEps))}.
   *
   * @return 1e-6, as in {@code clip_grad_norm_}, unless a rule has its own
   */
  public double clipEps() {
    return clipEps;
  }

  /**
   * Which norm of the gradients is clipped by and measured.
   *
   * @return L2 unless asked otherwise
   */
  public Norm norm() {
    return norm;
  }

  /**
   * Whether gradients are clipped by their norm.
   *
   * @return true if there is a bound
   */
  public boolean clipsByNorm() {
    return clipNorm > 0 && clipNorm <= Double.MAX_VALUE;
  }

  /**
   * Whether a step needs the global gradient norm.
   *
   * @return true if it clips by norm, measures it or looks for non-finite gradients
   */
  public boolean needsNorm() {
    return clipNorm > 0 || skipNonFinite;
  }

  /**
   * Largest magnitude of a gradient element.
   *
   * @return 0 for no clipping by value
   */
  public double clipValue() {
    return clipValue;
  }

  /**
   * How the gradient of each tensor is clipped, where a group says nothing else.
   *
   * @return {@link AdaptiveClip#NONE} unless asked otherwise
   */
  public AdaptiveClip adaptiveClip() {
    return adaptiveClip;
  }

  /**
   * Whether gradients are set to zero in the pass that reads them.
   *
   * @return true if so
   */
  public boolean zeroGradients() {
    return zeroGradients;
  }

  /**
   * Whether a step with a NaN or infinite gradient changes nothing.
   *
   * @return true if so
   */
  public boolean skipNonFinite() {
    return skipNonFinite;
  }

  /**
   * What gradients are multiplied by before anything else, apart from the loss scale.
   *
   * @return the factor, 1 if there is none
   */
  public double gradientScale() {
    return gradientScale;
  }

  /**
   * What gives the leaves of the whole model where a step is of a part of it.
   *
   * @return null where the step is of the whole
   */
  public LeafExchange leafExchange() {
    return leafExchange;
  }

  /**
   * Who hears how far the update has come.
   *
   * @return null if nobody does
   */
  public UpdateProgress updateProgress() {
    return updateProgress;
  }

  /**
   * All options of the user's, to compare them.
   *
   * @return a line of text
   */
  public String describe() {
    return "clipNorm "
        + clipNorm
        + ", clipEps "
        + clipEps
        + ", norm "
        + norm
        + ", clipValue "
        + clipValue
        + ", adaptiveClip "
        + adaptiveClip
        + ", zeroGradients "
        + zeroGradients
        + ", skipNonFinite "
        + skipNonFinite
        + ", gradientScale "
        + gradientScale
        + ", masterWeights "
        + masterWeights
        + ", stateType "
        + stateStorage
        + ", rounding "
        + rounding
        + ", seed "
        + seed
        + ", averageDecay "
        + averageDecay;
  }

  /**
   * What is kept of parameters that are stored in 16 bits.
   *
   * @return none unless asked otherwise
   */
  public MasterWeights masterWeights() {
    return masterWeights;
  }

  /**
   * How moments are stored, where a group says nothing else.
   *
   * @return float32 unless asked otherwise
   */
  public StateStorage stateStorage() {
    return stateStorage;
  }

  /**
   * How parameters without a master and state are rounded to bfloat16.
   *
   * @return to nearest unless asked otherwise
   */
  public Rounding rounding() {
    return rounding;
  }

  /**
   * What random numbers follow from.
   *
   * @return 0 unless asked otherwise
   */
  public long seed() {
    return seed;
  }

  /**
   * What an average of the parameters keeps of itself in a step at most.
   *
   * @return 0 without an average
   */
  public double averageDecay() {
    return averageDecay;
  }
}
