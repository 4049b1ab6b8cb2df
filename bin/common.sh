# shellcheck shell=bash
# What the scripts in this folder share: finding Java and Maven. Sourced, never run.
# The caller has set ROOT to the project's folder.

readonly MIN_JAVA=17
# shellcheck disable=SC2034  # used by the scripts that source this
readonly JAVA_HINT="On Debian or Ubuntu: apt-get install -y openjdk-17-jdk maven (or default-jdk maven)"

die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  [ $# -eq 0 ] || printf '%s\n' "$@" >&2
  exit 1
}

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

# Runs Maven on the JDK of JAVA_HOME. WARMSTEP_MVN_ARGS reaches every Maven run of every script.
maven() {
  # Maven 3.8's console library ends each run with an escape sequence, even into a file.
  local opts="${MAVEN_OPTS:-} -Djansi.noreset=true"
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

# Has the JVM at $1 keep its handlers of signals when an OpenCL driver comes with its own: see
# SignalHandlers.java. Only where there is a driver, since Java 17 warns at Ctrl-C with it.
keep_signal_handlers() {
  local library=$1/lib/libjsig.so
  if has_opencl_driver && [ -e "$library" ] && [[ $library != *[\ :]* ]]; then
    export LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}$library
  fi
}
