package io.warmstep.collective;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * How two workers authenticate each other, before anything else: both prove that they know the
 * token without sending it, with codes over random numbers from both sides.
 *
 * <pre>
 * accepting:  magic, version, nonce
 * connecting: magic, version, rank, size, nonce, its own address, code
 * accepting:  0 and a code, or another number and the reason for a refusal
 * </pre>
 */
final class Handshake {
  /** Version of the protocol, from the first byte on. */
  static final int VERSION = 1;

  private static final long MAGIC = 0x5741524d53544550L; // WARMSTEP
  private static final int NONCE = 16;
  private static final int MAX_TEXT = 1024;
  private static final SecureRandom RANDOM = new SecureRandom();

  /** The connecting worker. */
  record Hello(int version, int rank, int size, String address) {}

  /** A worker that does not match the others and has been notified. */
  static final class RefusedException extends StrangerException {
    private static final long serialVersionUID = 1L;

    RefusedException(String message) {
      super(message);
    }
  }

  /** A peer that is not a worker, or not one of these. */
  static class StrangerException extends IOException {
    private static final long serialVersionUID = 1L;

    StrangerException(String message) {
      super(message);
    }
  }

  private final byte[] token;

  Handshake(String token) {
    this.token = token.getBytes(UTF_8);
  }

  /** The accepting side's decision about a peer that knows the token. */
  interface Judge {
    /** The reason for a rejection, or null. */
    String refusal(Hello hello);
  }

  /**
   * The accepting side.
   *
   * @throws RefusedException if the judge rejected a worker
   * @throws StrangerException if the connecting side is not a worker
   */
  Hello accept(Socket socket, Judge judge) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
    byte[] mine = nonce();
    out.writeLong(MAGIC);
    out.writeInt(VERSION);
    out.write(mine);
    out.flush();
    if (in.readLong() != MAGIC) {
      throw new StrangerException("it sent something else than a worker's greeting");
    }
    Hello hello = new Hello(in.readInt(), in.readInt(), in.readInt(), null);
    byte[] theirs = in.readNBytes(NONCE);
    hello = new Hello(hello.version, hello.rank, hello.size, text(in));
    byte[] code = in.readNBytes(32);
    if (!MessageDigest.isEqual(code, code("connecting", mine, theirs, hello))) {
      refuse(out, "the token is not that of the others: give all workers the same one");
      throw new StrangerException("it does not know the token");
    }
    String refusal = judge.refusal(hello);
    if (refusal != null) {
      refuse(out, refusal);
      throw new RefusedException(refusal);
    }
    out.writeInt(0);
    out.write(code("accepting", mine, theirs, hello));
    out.flush();
    return hello;
  }

  private static void refuse(DataOutputStream out, String reason) throws IOException {
    out.writeInt(1);
    out.writeUTF(reason);
    out.flush();
  }

  /**
   * The connecting side.
   *
   * @throws WorkersDifferException if the other one has another version, or rejects this one
   * @throws StrangerException if the other one is not a worker
   */
  void connect(Socket socket, int rank, int size, String address, int peer) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
    if (in.readLong() != MAGIC) {
      throw new StrangerException("what listens there is no worker of Warmstep");
    }
    int version = in.readInt();
    byte[] theirs = in.readNBytes(NONCE);
    byte[] mine = nonce();
    Hello hello = new Hello(VERSION, rank, size, address);
    out.writeLong(MAGIC);
    out.writeInt(VERSION);
    out.writeInt(rank);
    out.writeInt(size);
    out.write(mine);
    byte[] text = address.getBytes(UTF_8);
    out.writeInt(text.length);
    out.write(text);
    out.write(code("connecting", theirs, mine, hello));
    out.flush();
    if (version != VERSION) {
      throw new WorkersDifferException(versions(rank, VERSION, peer, version));
    }
    if (in.readInt() != 0) {
      throw new WorkersDifferException(
          "worker " + peer + " refused worker " + rank + ": " + in.readUTF());
    }
    byte[] code = in.readNBytes(32);
    if (!MessageDigest.isEqual(code, code("accepting", theirs, mine, hello))) {
      throw new StrangerException("what listens there does not know the token");
    }
  }

  static String versions(int rank, int version, int peer, int other) {
    return "worker "
        + rank
        + " has version "
        + version
        + " of the protocol, and worker "
        + peer
        + " version "
        + other
        + ": use the same release of Warmstep for all workers";
  }

  private static byte[] nonce() {
    byte[] nonce = new byte[NONCE];
    RANDOM.nextBytes(nonce);
    return nonce;
  }

  private static String text(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > MAX_TEXT) {
      throw new StrangerException("its greeting is malformed");
    }
    return new String(in.readNBytes(length), UTF_8);
  }

  private byte[] code(String side, byte[] accepting, byte[] connecting, Hello hello)
      throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    out.writeUTF(side);
    out.write(accepting);
    out.write(connecting);
    out.writeInt(hello.version);
    out.writeInt(hello.rank);
    out.writeInt(hello.size);
    out.writeUTF(hello.address);
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(token, "HmacSHA256"));
      return mac.doFinal(bytes.toByteArray());
    } catch (GeneralSecurityException e) { // every JDK has it
      throw new IllegalStateException(e);
    }
  }
}
