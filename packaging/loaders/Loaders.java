import java.io.File;
import java.lang.ref.WeakReference;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Deployments as an application server makes them: each has the same jars in a class loader of its
 * own, above which are the libraries that all share, and goes when it is undeployed. Prints the
 * result of the program in each, and whether they have gone: all but one, since JDK 17 keeps the
 * last class loader whose records were compared (JDK-8078641).
 */
public final class Loaders {
  private static final int DEPLOYMENTS = 3;
  private static final int ATTEMPTS = 100;
  private static final int PAUSE_MILLIS = 100;

  private Loaders() {}

  /** Takes the backend's name, the shared jars, and the jars and folders of a deployment. */
  public static void main(String[] arguments) throws Exception {
    URLClassLoader shared =
        new URLClassLoader(urls(arguments[1]), ClassLoader.getPlatformClassLoader());
    List<WeakReference<ClassLoader>> deployed = run(shared, arguments[0], urls(arguments[2]));
    for (int i = 0; i < ATTEMPTS && left(deployed) > 1; i++) {
      System.gc();
      Thread.sleep(PAUSE_MILLIS);
    }
    System.out.println(
        left(deployed) > 1 ? left(deployed) + " deployments are left" : "undeployed");
  }

  /** In a method of its own, whose variables keep nothing when it has returned. */
  private static List<WeakReference<ClassLoader>> run(
      ClassLoader shared, String backend, URL[] parts) throws Exception {
    List<URLClassLoader> loaders = new ArrayList<>();
    for (int i = 0; i < DEPLOYMENTS; i++) {
      loaders.add(new URLClassLoader(parts, shared));
    }
    List<WeakReference<ClassLoader>> deployed = new ArrayList<>();
    for (URLClassLoader loader : loaders) {
      System.out.println(backend + ": " + result(loader, backend));
      loader.close();
      deployed.add(new WeakReference<>(loader));
    }
    return deployed;
  }

  /** Called by a thread whose own class loader knows nothing of the deployment. */
  private static Object result(ClassLoader loader, String backend) throws Exception {
    Method result = loader.loadClass("example.Main").getMethod("result", String.class);
    return result.invoke(null, backend);
  }

  private static URL[] urls(String paths) throws Exception {
    List<URL> urls = new ArrayList<>();
    for (String path : paths.split(File.pathSeparator)) {
      if (!path.isEmpty()) {
        urls.add(Path.of(path).toUri().toURL());
      }
    }
    return urls.toArray(new URL[0]);
  }

  private static long left(List<WeakReference<ClassLoader>> deployed) {
    return deployed.stream().filter(loader -> loader.get() != null).count();
  }
}
