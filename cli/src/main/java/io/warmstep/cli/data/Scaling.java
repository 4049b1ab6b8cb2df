package io.warmstep.cli.data;

/** How features are brought to a common scale. What is fitted, is fitted on training rows only. */
public enum Scaling {
  /** Grey values 0 to 16 are divided by 16. */
  PIXELS {
    @Override
    void apply(DataSet train, DataSet test) {
      scale(train.features());
      scale(test.features());
    }

    private void scale(float[] pixels) {
      for (int i = 0; i < pixels.length; i++) {
        pixels[i] /= 16f;
      }
    }
  },

  /**
   * Each feature gets mean 0 and standard deviation 1 over the training rows. A feature that is
   * constant over the training rows becomes 0 there.
   */
  STANDARDIZE {
    @Override
    void apply(DataSet train, DataSet test) {
      for (int column = 0; column < train.columns(); column++) {
        double sum = 0;
        for (int row = 0; row < train.rows(); row++) {
          sum += train.features()[row * train.columns() + column];
        }
        double mean = sum / train.rows();
        double squares = 0;
        for (int row = 0; row < train.rows(); row++) {
          double distance = train.features()[row * train.columns() + column] - mean;
          squares += distance * distance;
        }
        double deviation = Math.sqrt(squares / train.rows());
        double divisor = deviation > 0 ? deviation : 1;
        shiftAndScale(train, column, mean, divisor);
        shiftAndScale(test, column, mean, divisor);
      }
    }

    private void shiftAndScale(DataSet data, int column, double mean, double divisor) {
      for (int i = column; i < data.features().length; i += data.columns()) {
        data.features()[i] = (float) ((data.features()[i] - mean) / divisor);
      }
    }
  };

  /** Scales both sets in place, by what the training rows say. */
  abstract void apply(DataSet train, DataSet test);
}
