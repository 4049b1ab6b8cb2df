package io.warmstep.backend.cpu;

import io.warmstep.ElementType;
import io.warmstep.backend.HalfFloats;
import java.nio.Buffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/** Elements in a buffer of the caller's, mostly off the heap. */
abstract class BufferMemory extends CpuMemory {
  private static final int ZEROS = 2048;

  /** Base of all direct buffers' locations. */
  private static final Object OFF_HEAP = new Object();

  private final ElementType type;
  private final Buffer buffer;

  private BufferMemory(ElementType type, Buffer buffer) {
    this.type = type;
    this.buffer = buffer;
  }

  static CpuMemory of(ElementType type, Buffer buffer) {
    if (buffer instanceof FloatBuffer floats) {
      return floats.hasArray()
          ? ArrayMemory.over(type, floats.array(), floats.arrayOffset(), floats.remaining())
          : new Floats(floats);
    }
    if (buffer instanceof DoubleBuffer doubles) {
      return doubles.hasArray()
          ? ArrayMemory.over(type, doubles.array(), doubles.arrayOffset(), doubles.remaining())
          : new Doubles(doubles);
    }
    return new Halves(type, (ShortBuffer) buffer);
  }

  @Override
  public ElementType type() {
    return type;
  }

  @Override
  public long length() {
    return buffer.limit();
  }

  @Override
  Object arrayAt(long at) {
    return null;
  }

  @Override
  int indexAt(long at) {
    return (int) at;
  }

  @Override
  long contiguousFrom(long at) {
    return length() - at;
  }

  @Override
  void load(long at, Object target, int to, int count, short[] scratch) {
    read(at, target, to, count);
  }

  @Override
  void store(long at, Object source, int from, int count, short[] scratch) {
    write(at, source, from, count);
  }

  @Override
  public Location location() {
    return buffer.isDirect() && DirectAddress.isKnown()
        ? new Location(OFF_HEAP, DirectAddress.of(buffer))
        : new Location(buffer, 0);
  }

  @Override
  public void close() {}

  private static final class Floats extends BufferMemory {
    private static final float[] ZERO = new float[ZEROS];
    private final FloatBuffer floats;

    Floats(FloatBuffer floats) {
      super(ElementType.FLOAT32, floats);
      this.floats = floats;
    }

    @Override
    public void write(long at, Object array, int offset, int count) {
      floats.put((int) at, (float[]) array, offset, count);
    }

    @Override
    public void read(long at, Object array, int offset, int count) {
      floats.get((int) at, (float[]) array, offset, count);
    }

    @Override
    public void zero(long at, long count) {
      for (long done = 0; done < count; done += ZEROS) {
        floats.put((int) (at + done), ZERO, 0, (int) Math.min(ZEROS, count - done));
      }
    }
  }

  private static final class Doubles extends BufferMemory {
    private static final double[] ZERO = new double[ZEROS];
    private final DoubleBuffer doubles;

    Doubles(DoubleBuffer doubles) {
      super(ElementType.FLOAT64, doubles);
      this.doubles = doubles;
    }

    @Override
    public void write(long at, Object array, int offset, int count) {
      doubles.put((int) at, (double[]) array, offset, count);
    }

    @Override
    public void read(long at, Object array, int offset, int count) {
      doubles.get((int) at, (double[]) array, offset, count);
    }

    @Override
    public void zero(long at, long count) {
      for (long done = 0; done < count; done += ZEROS) {
        doubles.put((int) (at + done), ZERO, 0, (int) Math.min(ZEROS, count - done));
      }
    }
  }

  private static final class Halves extends BufferMemory {
    private static final short[] ZERO = new short[ZEROS];
    private final ShortBuffer shorts;

    Halves(ElementType type, ShortBuffer shorts) {
      super(type, shorts);
      this.shorts = shorts;
    }

    @Override
    void load(long at, Object target, int to, int count, short[] scratch) {
      read(at, scratch, 0, count);
      HalfFloats.widen(type(), scratch, 0, (float[]) target, to, count);
    }

    @Override
    void store(long at, Object source, int from, int count, short[] scratch) {
      HalfFloats.narrow(type(), (float[]) source, from, scratch, 0, count);
      write(at, scratch, 0, count);
    }

    @Override
    public void write(long at, Object array, int offset, int count) {
      shorts.put((int) at, (short[]) array, offset, count);
    }

    @Override
    public void read(long at, Object array, int offset, int count) {
      shorts.get((int) at, (short[]) array, offset, count);
    }

    @Override
    public void zero(long at, long count) {
      for (long done = 0; done < count; done += ZEROS) {
        shorts.put((int) (at + done), ZERO, 0, (int) Math.min(ZEROS, count - done));
      }
    }
  }
}
