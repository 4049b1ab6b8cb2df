package io.warmstep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

/** What the Markdown files refer to is there. */
class DocumentationTest {
  static Stream<Path> documents() throws IOException {
    List<Path> documents = new ArrayList<>();
    for (Path folder :
        List.of(
            Path.of("."),
            Path.of("docs"),
            Path.of("integrations/djl"),
            Path.of("integrations/spark"),
            Path.of("src/test/resources/golden"))) {
      try (Stream<Path> files = Files.list(folder)) {
        files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(documents::add);
      }
    }
    assertTrue(documents.size() >= 8, documents.toString());
    return documents.stream().map(Path::normalize);
  }

  @ParameterizedTest
  @MethodSource("documents")
  void linksLeadSomewhere(Path document) {
    matches("\\]\\(([^)\\s]+)\\)", withoutCode(read(document)))
        .map(link -> link.group(1))
        .filter(link -> !link.startsWith("http"))
        .forEach(
            link -> {
              String[] parts = link.split("#", 2);
              Path target =
                  parts[0].isEmpty() ? document : document.resolveSibling(parts[0]).normalize();
              assertTrue(Files.exists(target), document + " links to " + link);
              if (parts.length == 2) {
                assertTrue(
                    anchors(target).contains(parts[1]),
                    document + " links to " + link + ", but " + target + " has " + anchors(target));
              }
            });
  }

  @ParameterizedTest
  @MethodSource("documents")
  void xmlIsWellFormed(Path document) {
    matches("(?s)```xml\n(.*?)```", read(document)).forEach(block -> xml(block.group(1)));
  }

  /** A merge once left half of a document in it twice. */
  @ParameterizedTest
  @MethodSource("documents")
  void saysNothingTwice(Path document) {
    Map<String, Long> times =
        Arrays.stream(read(document).split("\n{2,}"))
            .map(String::strip)
            .filter(paragraph -> paragraph.length() > 80)
            .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    times.values().removeIf(count -> count == 1);
    assertEquals(Map.of(), times, document.toString());
  }

  /** Whoever installs the library as the README says has its sources and its Javadoc too. */
  @Test
  void theInstallationAttachesSourcesAndJavadoc() throws Exception {
    List<String> commands =
        matches("(?m)^mvn .* install$", read(Path.of("README.md")))
            .map(MatchResult::group)
            .toList();
    assertEquals(1, commands.size(), commands.toString());
    List<String> profiles =
        matches(" -P(\\S+)", commands.get(0)).map(profile -> profile.group(1)).toList();
    assertEquals(1, profiles.size(), commands.get(0));
    assertRuns(profiles.get(0), "maven-source-plugin", "jar-no-fork");
    assertRuns(profiles.get(0), "maven-javadoc-plugin", "jar");
  }

  /** What is published, and compared with the last release, are the packages for everyone. */
  @Test
  void whatIsPublishedIsWhatIsExported() throws Exception {
    String module = read(Path.of("src/main/java/module-info.java"));
    Document pom = xml(read(Path.of("pom.xml")));
    assertEquals(
        packages("exports (\\S+);", module),
        packages("<include>(io\\S+)</include>", read(Path.of("pom.xml"))));
    Set<String> hidden =
        Set.of(
            XPathFactory.newInstance()
                .newXPath()
                .evaluate("//excludePackageNames", pom)
                .split(":"));
    Set<String> expected = packages("exports (\\S+) to", module);
    expected.addAll(Set.of("io.warmstep.backend", "io.warmstep.backend.*"));
    assertEquals(expected, hidden);
    // What is exported to nobody has no Javadoc anyway, unless a public class shows it.
    assertTrue(expected.size() >= 5, expected.toString());
  }

  private static Set<String> packages(String pattern, String text) {
    return matches(pattern, text).map(found -> found.group(1)).collect(Collectors.toSet());
  }

  private static void assertRuns(String profile, String plugin, String goal) throws Exception {
    String path =
        "count(/project/profiles/profile[id='%s']//plugin[artifactId='%s']//goal[.='%s'])"
            .formatted(profile, plugin, goal);
    Document pom = xml(read(Path.of("parent/pom.xml")));
    assertEquals("1", XPathFactory.newInstance().newXPath().evaluate(path, pom), path);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Document xml(String text) {
    try {
      return DocumentBuilderFactory.newInstance()
          .newDocumentBuilder()
          .parse(new InputSource(new StringReader(text)));
    } catch (Exception e) {
      throw new AssertionError(text, e);
    }
  }

  private static Stream<MatchResult> matches(String pattern, String text) {
    return Pattern.compile(pattern).matcher(text).results();
  }

  private static String withoutCode(String text) {
    return text.replaceAll("(?s)```.*?```", "").replaceAll("`[^`\n]*`", "");
  }

  /** The anchors of a document's headings, as GitHub forms them. */
  private static Set<String> anchors(Path document) {
    return matches("(?m)^#+ (.+)$", read(document))
        .map(heading -> heading.group(1).toLowerCase(Locale.ROOT))
        .map(heading -> heading.replaceAll("[^\\p{L}\\p{N} _-]", "").replace(' ', '-'))
        .collect(Collectors.toSet());
  }
}
