"""Tests bin/bundled/gpu-hour with stand-ins for what it runs, whose figures are planted."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Logs how it was called; what it prints was put beside it.
STAND_IN = """#!/usr/bin/env bash
folder=$(dirname -- "$(readlink -f -- "$0")")
echo "${0##*/} $*" >>"$folder/calls"
case "${0##*/} $*" in
  "warmstep devices --json") cat "$folder/devices.json" ;;
  "warmstep bench "*"--json") exec python3 "$folder/bench.py" "$@" ;;
  compute-sanitizer*"$FAILING"*) [ -z "$FAILING" ] || exit 9 ;;
  *) echo "${0##*/}" ;;
esac
if [ "${0##*/}" = compute-sanitizer ]; then
  while [ "$1" != --log-file ]; do shift; done
  echo "ERROR SUMMARY: 0 errors" >"${2/\\%p/$$}"
fi
"""

BENCH = """
import json, pathlib, sys
times = json.loads((pathlib.Path(__file__).parent / "times.json").read_text())
options = " ".join(sys.argv[sys.argv.index("--rule"):sys.argv.index("--rounds")])
ms, bytes_moved, fraction = times.get(options, times["default"])
print(json.dumps({
    "rule": sys.argv[sys.argv.index("--rule") + 1], "bytes_per_param": bytes_moved, "ms_per_step": ms,
    "ms_per_step_min": 0.1, "fraction_of_ceiling": fraction, "fraction_of_ceiling_min": 0.1,
    "host_us_per_step": 7.25, "plain": {"ms_per_step": 99}}, separators=(",", ":")))
"""

SLOW = {
    "default": [0.41, 12, 1.0],  # 3 % over 100 million times 12 bytes at 0.9 of 3350 GB/s
    "--rule adam": [1.025, 28, 0.9],  # 10.4 %
    "--rule lion": [0.729, 20, 0.9],  # 9.9 %
    "--rule adamw --gradients bfloat16 --state int8": [0.94, 14.25, None],
}


class GpuHourTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        shutil.copy(ROOT / "bin/bundled/gpu-hour", self.bin)
        shutil.copy(ROOT / "bin/common.sh", self.bin)
        for name in ("warmstep", "contract-tests", "compute-sanitizer"):
            (self.bin / name).write_text(STAND_IN)
            (self.bin / name).chmod(0o755)
        (self.bin / "bench.py").write_text(BENCH)
        self.plant(SLOW)

    def plant(self, times, device="NVIDIA H100 80GB HBM3"):
        (self.bin / "times.json").write_text(json.dumps(times))
        devices = [{"name": "cpu:0", "backend": "cpu", "usable": True, "device": "a processor"},
                   {"name": "cuda:0", "backend": "cuda", "usable": True, "device": device}]
        (self.bin / "devices.json").write_text(json.dumps(
            {"devices": devices, "fastest": "cuda:0", "fastest_ms": 812.75}, separators=(",", ":")))

    def run_it(self, *options, expected=0, failing=""):
        out = self.folder / f"out{len(list(self.folder.iterdir()))}"
        environment = {**os.environ, "FAILING": failing,
                       "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run([self.bin / "gpu-hour", *options, out], env=environment,
                              capture_output=True, text=True, check=False)
        self.assertEqual(expected, done.returncode, done.stdout + done.stderr)
        return out, done

    def roofline(self):
        out, _ = self.run_it("--only", "self-test,roofline")
        return (out / "summary.md").read_text(), (out / "roofline.md").read_text()

    def test_what_misses_its_estimate_by_more_than_a_tenth_is_listed(self):
        summary, table = self.roofline()
        listed = [line for line in summary.splitlines() if line.startswith("- ")]
        self.assertEqual([
            "- adam: 1.025 ms, 10 % over the estimate of 0.929 (by the peak)",
            "- adamw --gradients bfloat16 --state int8: 0.940 ms, 99 % over the estimate of 0.473"
            " (by the peak)"], listed)
        self.assertIn("More than 10 % over the estimate:\n\n- adam: ", summary)
        self.assertIn("| adam | 28 | 0.929 | 1.025 | 7.2 | 0.900 | 0.91 |\n", table)
        self.assertIn("| lion | 20 | 0.663 | 0.729 | 7.2 | 0.900 | 0.91 |\n", table)
        self.assertIn("| sgd | 12 | 0.398 | 0.410 | 7.2 | 1.000 | 0.97 |\n", table)
        self.assertIn("| adamw --gradients bfloat16 --state int8 | 14.25 | 0.473 | 0.940 | 7.2 | none |",
                      table)
        self.assertIn(table, summary)

    def test_nothing_is_listed_where_nothing_misses(self):
        self.plant({"default": SLOW["default"]})
        summary, _ = self.roofline()
        self.assertIn("No step took more than 10 % longer than its estimate.", summary)
        self.assertNotIn("\n- ", summary)

    def test_a_gpu_whose_peak_is_unknown_is_compared_with_a_copy(self):
        self.plant({"default": [0.5, 12, 0.95], "--rule sgd": [0.5, 12, 0.8]}, "NVIDIA T1000")
        summary, table = self.roofline()
        self.assertIn("- sgd: 0.500 ms, 25 % over the estimate of 0.400 (by the copy)\n", summary)
        self.assertEqual(1, summary.count("\n- "))
        self.assertIn("| lion | 12 | 0.475 | 0.500 | 7.2 | 0.950 | 0.95 |\n", table)

    def test_a_simulators_times_are_no_figures(self):
        self.plant(SLOW, "Simulated GPU")
        summary, table = self.roofline()
        self.assertIn("\nNo figures: there is no GPU here.\n", summary)
        self.assertNotIn("\n- ", summary)
        rows = table.splitlines()[2:]
        self.assertGreater(len(rows), 15)
        for row in rows:
            self.assertTrue(row.endswith("| none | none | none | none |"), row)

    def test_every_row_of_the_review_is_measured(self):
        self.run_it("--only", "roofline")
        calls = (self.bin / "calls").read_text()
        for options in ("adam", "adam --dtype bfloat16", "adam --dtype float16", "momentum", "sgd",
                        "adam --dtype float64", "adamw --state int8",
                        "adamw --gradients bfloat16 --state int8",
                        "adamw --dtype bfloat16 --master 24bit --state int8",
                        "adamw --dtype bfloat16 --rounding stochastic --state int8",
                        "adamw --full-step --captured"):
            self.assertIn(f"bench --backend cuda --rule {options} --rounds 7 --size 100000000 --json",
                          calls)

    def test_the_summary_tells_the_time_of_the_self_test(self):
        out, _ = self.run_it("--only", "self-test")
        self.assertRegex((out / "summary.md").read_text(),
                         r"\| self-test \| passed \| \d+ s, Devices\.fastest\(\) took 812 ms \|")
        self.assertIn("took 812 ms", (out / "self-test.log").read_text())

    def test_stages_go_into_several_calls(self):
        out, _ = self.run_it("--only", "verify,memcheck", "--without", "memcheck")
        summary = (out / "summary.md").read_text()
        self.assertRegex(summary, r"\| devices \| passed \|")
        self.assertRegex(summary, r"\| verify \| passed \|")
        for stage in ("self-test", "contract-tests", "memcheck", "synccheck", "torch", "roofline"):
            self.assertIn(f"| {stage} | left out | as asked for |", summary)
        self.assertIn("Nothing was measured.", summary)

    def test_a_fifth_of_the_time_is_kept_for_the_figures(self):
        # A stand-in for timeout that notes each stage's limit.
        (self.bin / "timeout").write_text(
            '#!/usr/bin/env bash\necho "${*: -1} $2" >>"${0%/*}/limits"\nexec "${@:3}"\n')
        (self.bin / "timeout").chmod(0o755)
        self.run_it("--minutes", "5", "--only", "verify,roofline")
        self.run_it("--minutes", "5", "--only", "verify")
        limits = [line.split() for line in (self.bin / "limits").read_text().splitlines()]
        self.assertEqual(["devices", "verify", "roofline"] + ["devices", "verify"],
                         [stage for stage, _ in limits])
        verify, roofline, alone = (int(limits[i][1]) for i in (1, 2, 4))
        self.assertLessEqual(verify, 240)
        self.assertGreater(verify, 200)
        self.assertEqual(240, roofline)
        self.assertGreater(alone, 280)

    def test_unknown_stages_are_named(self):
        for option in ("--only", "--without"):
            done = subprocess.run([self.bin / "gpu-hour", option, "verify,lint"], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(1, done.returncode)
            self.assertIn("there is no stage lint; there are: devices self-test verify", done.stderr)

    def test_tests_and_captured_graphs_are_sanitized(self):
        out, _ = self.run_it("--only", "memcheck")
        self.assertIn("ERROR SUMMARY: 0 errors", (out / "memcheck.log").read_text())
        calls = [call for call in (self.bin / "calls").read_text().splitlines()
                 if call.startswith("compute-sanitizer --tool memcheck")]
        self.assertEqual(2, len(calls), calls)
        self.assertRegex(calls[0], r"contract-tests cuda .*\|Factors\|AdaptiveClip\)Test --exclude-")
        self.assertRegex(calls[1], r"warmstep bench --backend cuda --full-step --captured ")
        for failing in ("contract-tests", "--captured"):
            out, _ = self.run_it("--only", "memcheck", expected=1, failing=failing)
            self.assertIn("| memcheck | FAILED |", (out / "summary.md").read_text())


if __name__ == "__main__":
    unittest.main()
