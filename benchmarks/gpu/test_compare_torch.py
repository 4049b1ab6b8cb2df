"""Tests compare_torch.py without a GPU: a stand-in for PyTorch, and the command line on the CPU."""

import contextlib
import json
import os
import pathlib
import sys
import tempfile
import time
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_torch  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Event:
    def __init__(self, enable_timing):
        assert enable_timing
        self.when = None

    def record(self):
        self.when = time.perf_counter()

    def synchronize(self):
        assert self.when is not None

    def elapsed_time(self, end):
        return (end.when - self.when) * 1e3


class Tensor:
    def __init__(self, length):
        self.length = length
        self.grad = None

    def uniform_(self, low, high):
        return self

    def requires_grad_(self, required):
        return self

    def random_(self):
        return self

    def copy_(self, source):
        assert source.length == self.length
        time.sleep(0.0005)

    def clone(self):
        return Tensor(self.length)


def optimizer(kind, accepted):
    class Optimizer:
        made = []

        def __init__(self, parameters, lr, **options):
            assert set(options) <= accepted, options
            assert all(p.grad is not None and p.grad.length == p.length for p in parameters)
            Optimizer.made.append(options)

        def step(self):
            time.sleep(0.001)

        def zero_grad(self, set_to_none):
            assert not set_to_none
            time.sleep(0.0002)

    Optimizer.__name__ = kind
    return Optimizer


class GradScaler:
    def __init__(self, device, init_scale, growth_interval):
        assert device == "cuda" and init_scale == 1024
        self.scaled = self.unscaled = False

    def scale(self, loss):
        self.scaled = True

    def unscale_(self, optimizer):
        assert self.scaled and not self.unscaled, "made, and once per step"
        self.unscaled = True

    def step(self, optimizer):
        assert self.unscaled
        optimizer.step()

    def update(self):
        self.unscaled = False


class Graph:
    def replay(self):
        time.sleep(0.0008)


class Stream:
    def synchronize(self):
        pass


def stand_in():
    torch = types.SimpleNamespace()
    torch.float32, torch.bfloat16, torch.uint8 = "float32", "bfloat16", "uint8"
    torch.zeros = lambda length, device: Tensor(length)
    torch.no_grad = contextlib.nullcontext
    torch._foreach_copy_ = lambda targets, sources: [t.copy_(s) for t, s in zip(targets, sources)]
    torch.amp = types.SimpleNamespace(GradScaler=GradScaler)
    torch.clipped = []
    torch.nn = types.SimpleNamespace(utils=types.SimpleNamespace(
        clip_grad_norm_=lambda parameters, norm, foreach: torch.clipped.append(norm)))
    torch.empty = lambda length, dtype, device: Tensor(length)
    torch.empty_like = lambda tensor: Tensor(tensor.length)
    torch.cuda = types.SimpleNamespace(
        Event=Event,
        Stream=Stream,
        CUDAGraph=Graph,
        stream=lambda stream: contextlib.nullcontext(),
        graph=lambda graph: contextlib.nullcontext(),
        synchronize=lambda: None,
        empty_cache=lambda: None,
    )
    forms = {"fused", "foreach"}
    torch.optim = types.SimpleNamespace(
        SGD=optimizer("SGD", forms | {"momentum"}),
        RMSprop=optimizer("RMSprop", {"foreach"}),
        Adam=optimizer("Adam", forms | {"capturable"}),
        AdamW=optimizer("AdamW", forms | {"capturable"}),
    )
    return torch


class CompareTorchTest(unittest.TestCase):
    def test_models_have_their_sizes(self):
        self.assertEqual((161, 25_557_032), self.size(compare_torch.resnet50()))
        self.assertEqual((148, 124_439_808), self.size(compare_torch.gpt2_small()))

    @staticmethod
    def size(lengths):
        return len(lengths), sum(lengths)

    def test_bytes_of_a_step(self):
        self.assertEqual(12 * 100, compare_torch.step_bytes("sgd", "float32", [60, 40]))
        self.assertEqual(28 * 100, compare_torch.step_bytes("adamw", "float32", [100]))
        self.assertEqual(40 * 100, compare_torch.step_bytes("momentum", "float64", [100]))

    def test_every_rule_is_compared_in_turns(self):
        compare_torch.SHAPES["small"] = lambda: [1000, 7]
        warmstep = compare_torch.Warmstep(str(ROOT / "bin" / "warmstep"), "cpu")
        try:
            cases = [
                compare_torch.case(stand_in(), warmstep, "small", rule, "float32", 3, 2)
                for rule in compare_torch.RULES
            ]
        finally:
            warmstep.close()
            del compare_torch.SHAPES["small"]
        for one in cases:
            forms = {"torch fused", "torch foreach", "torch plain", "torch graph"}
            if one["rule"] == "rmsprop":
                forms -= {"torch fused", "torch graph"}
            self.assertEqual(forms | {"warmstep", "copy"}, set(one["results"]))
            for result in one["results"].values():
                self.assertGreater(result["ms"], 0)
            self.assertEqual(1, one["results"]["warmstep"]["times_warmstep"])
            self.assertEqual(1, one["results"]["copy"]["of_copy"])
            self.assertNotIn("host_us", one["results"]["copy"])
            self.assertGreater(one["results"]["warmstep"]["host_us"], 0)
        lines = compare_torch.table(cases).splitlines()
        self.assertEqual(2 + len(compare_torch.RULES), len(lines))
        self.assertEqual(1, len({line.count("|") for line in lines}))

    def test_whole_steps_are_compared_in_turns(self):
        compare_torch.SHAPES["small"] = lambda: [5000, 7]
        warmstep = compare_torch.Warmstep(str(ROOT / "bin" / "warmstep"), "cpu")
        torch = stand_in()
        sys.modules["flashoptim"] = types.SimpleNamespace(FlashAdamW=optimizer("FlashAdamW", set()))
        try:
            one = compare_torch.full_step_case(torch, warmstep, "small", 2, 2)
        finally:
            warmstep.close()
            del compare_torch.SHAPES["small"], sys.modules["flashoptim"]
        self.assertEqual({*compare_torch.FULL_STEPS, "flashoptim FlashAdamW", "copy"},
                         set(one["results"]))
        self.assertEqual(1, one["results"]["warmstep float32"]["times_warmstep"])
        self.assertEqual({compare_torch.MAX_NORM}, set(torch.clipped))
        lines = compare_torch.full_step_table([one]).splitlines()
        self.assertEqual(3 + len(compare_torch.FULL_STEPS), len(lines))
        self.assertEqual(1, len({line.count("|") for line in lines}))

    def test_a_row_is_the_hosts_where_its_calls_take_as_long(self):
        def implementation(name, times, host_times):
            one = compare_torch.Implementation(name, None)
            one.times, one.host_times = times, host_times
            return one

        implementations = [
            implementation("copy", [1.0, 1.0, 1.0], []),
            implementation("warmstep", [2.0, 1.0, 4.0], [7, 9, 8]),
            implementation("torch fused", [3.0, 3.0, 3.0], [2600, 2700, 2800]),  # 0.9 of 3 ms
            implementation("torch foreach", [3.0, 3.0, 3.0], [2600, 2699, 2800]),
        ]
        one = compare_torch.summary("flat", "sgd", "float32", [5], 60, implementations)
        results = one["results"]
        self.assertTrue(results["torch fused"]["host_bound"])
        self.assertFalse(results["torch foreach"]["host_bound"])
        self.assertFalse(results["warmstep"]["host_bound"])
        self.assertEqual(8, results["warmstep"]["host_us"])
        self.assertEqual(2, results["warmstep"]["ms"])
        self.assertEqual(0.5, results["warmstep"]["of_copy"])
        self.assertEqual(1.5, results["torch fused"]["times_warmstep"])
        self.assertEqual("3, 1.50x (host)", compare_torch.cell(results["torch fused"]))
        self.assertEqual("3, 1.50x", compare_torch.cell(results["torch foreach"]))

    def test_each_begins_a_round(self):
        order = []

        def implementation(name):
            return compare_torch.Implementation(name, lambda n: order.append(name) or 1.0)

        compare_torch.measure([implementation(name) for name in "abc"], 3, 1)
        self.assertEqual(list("abc" "bca" "cab"), order[6:])

    def test_a_report_replaces_the_one_before(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            for number in (1, 2):
                compare_torch.write({"cases": [number]}, path)
                with open(path, encoding="utf-8") as file:
                    self.assertEqual({"cases": [number]}, json.load(file))
            self.assertEqual(["report.json"], os.listdir(folder))

    def test_the_command_is_found_beside(self):
        self.assertEqual(str(ROOT / "bin" / "warmstep"), compare_torch.default_command())

    def test_an_error_of_the_other_process_ends_it(self):
        warmstep = compare_torch.Warmstep(str(ROOT / "bin" / "warmstep"), "cpu")
        with self.assertRaises(SystemExit) as raised:
            warmstep.ask({"steps": 1})
        self.assertIn("nothing is open", str(raised.exception))
        warmstep.close()


if __name__ == "__main__":
    unittest.main()
