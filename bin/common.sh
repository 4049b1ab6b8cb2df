# shellcheck shell=bash
# What the scripts in this folder share, and those of the archive that bin/bundle makes: finding and
# starting Java and Maven. Sourced, never run. The caller has set ROOT to the project's folder, or the
# archive's.

readonly MIN_JAVA=17
# shellcheck disable=SC2034  # used by the scripts that source this
readonly JAVA_HINT="On Debian or Ubuntu: apt-get install -y openjdk-17-jdk maven (or default-jdk maven)"

die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  [ $# -eq 0 ] || printf '%s\n' "$@" >&2
  exit 1
}

# Has programs take the names of files for UTF-8, where the locale says nothing of them, as in most
# containers: without, a JVM finds no file whose name has other than ASCII characters. Their messages
# are in English in any case, as ours are. An encoding of the user's own choice stays.
use_utf8() {
  local candidate given=${LC_ALL-unset} two_bytes=$'\303\251'
  case $(locale charmap 2>/dev/null) in
    '' | ANSI_X3.4-1968 | UTF-8) ;;
    *) return 0 ;;
  esac
  for candidate in C.UTF-8 en_US.UTF-8; do
    { LC_ALL=$candidate; } 2>/dev/null # bash warns of one that is not there
    if [ "${#two_bytes}" = 1 ]; then # bash has it
      export LC_ALL
      unset LANGUAGE
      return
    fi
  done
  if [ "$given" = unset ]; then unset LC_ALL; else { LC_ALL=$given; } 2>/dev/null; fi
  [[ $ROOT != *[![:ascii:]]* ]] || die "Java cannot read $ROOT, since no locale with UTF-8 is installed." \
    "Install one (C.UTF-8), or move that folder to a path of ASCII characters."
}
use_utf8

# Prints the major version of the JDK or JRE at $1, or 0 if there is none.
java_major() {
  local version=
  if [ -r "$1/release" ]; then
    # No JVM is started for this: it would double the time to start.
    local line
    while read -r line; do
      case $line in JAVA_VERSION=*) version=${line#*=} ;; esac
    done <"$1/release"
  elif [ -x "$1/bin/java" ]; then
    version=$("$1/bin/java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p')
  fi
  version=${version//\"/}
  version=${version#1.}
  version=${version%%[!0-9]*}
  printf '%s\n' "${version:-0}"
}

# Prints the folder of the Java to use: JAVA_HOME if set, else the one on the PATH, or nothing.
java_home() {
  if [ -n "${JAVA_HOME:-}" ]; then
    printf '%s\n' "$JAVA_HOME"
  elif command -v java >/dev/null; then
    local java
    java=$(readlink -f -- "$(command -v java)")
    printf '%s\n' "${java%/bin/java}"
  fi
}

# Prints why the Java at $1 cannot run the project, or nothing if it can.
java_problem() {
  if [ -z "$1" ]; then
    echo "no Java found: JAVA_HOME is not set and java is not on the PATH"
  elif [[ $1 == *:* ]]; then
    echo "Java cannot run in $1: a colon separates paths; move it to a folder without one"
  elif [ ! -x "$1/bin/java" ]; then
    echo "there is no bin/java in $1"
  elif [ "$(java_major "$1")" -lt "$MIN_JAVA" ]; then
    echo "Java $(java_major "$1") in $1 is too old; $MIN_JAVA or later is needed"
  fi
}

# Prints why the Java at $1 cannot build the project, or nothing if it can.
jdk_problem() {
  local problem
  problem=$(java_problem "$1")
  if [ -n "$problem" ]; then
    echo "$problem"
  elif [ ! -x "$1/bin/javac" ]; then
    echo "$1 is a Java runtime without a compiler (bin/javac); a JDK is needed"
  fi
}

# For scripts that compile against what they have compiled: a class path has no way to write a colon.
refuse_colons() {
  [[ $ROOT != *:* ]] || die "cannot run in $ROOT: a colon separates paths; move it to a path without."
}

# Runs Maven on the JDK of JAVA_HOME. WARMSTEP_MVN_ARGS reaches every Maven run of every script.
maven() {
  # It runs for so short a time that the JVM's second compiler takes more than it gives: without it,
  # building takes half of the processor time. The JVMs of tests have flags of their own.
  local opts="-XX:TieredStopAtLevel=1 ${MAVEN_OPTS:-}"
  # Maven 3.8's console library ends each run with an escape sequence, even into a file.
  opts+=" -Djansi.noreset=true"
  # Its copy of Guava makes newer JDKs print four lines of warning.
  [ "$(java_major "$JAVA_HOME")" -lt 24 ] || opts+=" --sun-misc-unsafe-memory-access=allow"
  # shellcheck disable=SC2086  # several arguments in one variable
  MAVEN_OPTS=$opts mvn -B -ntp -Dstyle.color=never ${WARMSTEP_MVN_ARGS:-} "$@"
}

# Whether the dynamic linker finds library $1. An ordinary user's PATH may lack the linker's tools.
find_library() { [[ $(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null) == *"$1"* ]]; }

# Whether an OpenCL driver is registered whose library is there: Debian keeps the registration of a
# package that was removed.
has_opencl_driver() {
  local registration library
  for registration in "${OCL_ICD_VENDORS:-/etc/OpenCL/vendors}"/*.icd; do
    library=
    [ ! -r "$registration" ] || read -r library <"$registration" || true
    case $library in
      '') ;;
      /*) [ ! -e "$library" ] || return 0 ;;
      # The linker's list has short versions, as libpocl.so.2 where the driver is libpocl.so.2.10.0.
      *) ! find_library "${library%.so*}.so" || return 0 ;;
    esac
  done
  return 1
}

# Sets variable $1 to a name of folder $2 for a list of paths, in which nothing escapes the characters
# $3 that separate them: if the folder has one in its own name, then one by which programs that are
# started from here find it open, as $4.
listable() {
  local name=$2
  if [[ $2 == *[$3]* ]]; then
    name=/proc/self/fd/$4
    eval "exec $4<\"\$2\""
    [ -d "$name" ] || die "cannot run in $2: move it to a path without colons."
  fi
  printf -v "$1" %s "$name"
}

# Has the JVM at $1 keep its handlers of signals when an OpenCL driver comes with its own: see
# SignalHandlers.java. Only where there is a driver, since Java 17 warns at Ctrl-C with it.
keep_signal_handlers() {
  local folder
  if has_opencl_driver && [ -e "$1/lib/libjsig.so" ]; then
    listable folder "$1/lib" ' :' 7
    export LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}$folder/libjsig.so
  fi
}

# Becomes the JVM at $1; the other arguments are the JVM's.
exec_java() {
  local home=$1 flags=(-Djava.awt.headless=true -Dfile.encoding=UTF-8)
  shift
  # Loading a native library is meant; newer JDKs warn about it unless told so.
  [ "$(java_major "$home")" -lt 24 ] || flags+=(--enable-native-access=ALL-UNNAMED)
  keep_signal_handlers "$home"
  exec "$home/bin/java" "${flags[@]}" "$@"
}
