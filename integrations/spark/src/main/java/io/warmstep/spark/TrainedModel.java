package io.warmstep.spark;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;

/**
 * What came out of a training.
 *
 * @param parameters with their last values
 * @param steps how many happened
 * @param loss the mean over the rows of the last epoch, each before the step that it was part of;
 *     NaN if none was taken
 */
public record TrainedModel(ModelParameters parameters, long steps, double loss)
    implements Serializable {
  /** Its serial form. Spark's may be Kryo's, which cannot do records. */
  byte[] bytes() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(this);
    } catch (IOException e) { // of memory there is none
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  static TrainedModel read(byte[] bytes) {
    try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes))) {
      return (TrainedModel) in.readObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (ClassNotFoundException e) { // it has just been loaded
      throw new IllegalStateException(e);
    }
  }
}
