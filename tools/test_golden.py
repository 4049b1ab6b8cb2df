"""Tests golden.py with a stand-in for PyTorch: what it reads, writes, keeps and refuses."""

import json
import pathlib
import sys
import tempfile
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import golden  # noqa: E402


class Tensor(list):
    __hash__ = object.__hash__
    tolist = list.copy


SIGNUM = """
from collections import OrderedDict

class Signum:
    def __init__(self, parameters, lr):
        self.parameter, self.lr = parameters[0], lr
        self.state = {self.parameter: {"step": 0, "unused": None}}

    def step(self):
        gradient = self.parameter.grad
        state = self.state[self.parameter]
        state["step"] += 1
        state["last"] = gradient
        for i, g in enumerate(gradient):
            self.parameter[i] -= self.lr * ((g > 0) - (g < 0))
"""


class CasesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = pathlib.Path(folder.name, "signum.py")
        file.write_text(SIGNUM)
        self.given = golden.load([file])
        self.torch = types.SimpleNamespace(
            tensor=Tensor,
            is_tensor=lambda value: isinstance(value, Tensor),
            nn=types.SimpleNamespace(Parameter=lambda tensor: tensor),
            optim=types.SimpleNamespace(),
        )

    def recompute(self, given, **members):
        case = {"name": "signum", "optimizer": "Signum", "hyper": {"lr": 0.5}, "stream": "s"}
        case.update(members)
        optimizers = {
            "initial": [1.0, -2.0],
            "streams": {"s": [[3.0, -1.0], [0.0, 4.0]]},
            "cases": [case],
        }
        kept = golden.recompute(self.torch, optimizers, {"schedules": []}, given)
        return kept, case

    def test_a_case_of_a_given_class_is_computed(self):
        kept, case = self.recompute(self.given, reference="test_golden.py")
        self.assertEqual([], kept)
        self.assertEqual(
            [
                {"step": 1, "params": [0.5, -1.5], "state": {"step": 1.0, "last": [3.0, -1.0]}},
                {"step": 2, "params": [0.5, -2.0], "state": {"step": 2.0, "last": [0.0, 4.0]}},
            ],
            case["snapshots"],
        )

    def test_the_steps_of_a_computed_case_stay(self):
        _, case = self.recompute(self.given, snapshots=[{"step": 2, "params": [9.0]}])
        self.assertEqual([2], [snapshot["step"] for snapshot in case["snapshots"]])
        self.assertEqual([0.5, -2.0], case["snapshots"][0]["params"])

    def test_a_case_whose_class_is_not_there_is_kept(self):
        before = [{"step": 2, "params": [9.0]}]
        kept, case = self.recompute({}, reference="elsewhere", snapshots=before)
        self.assertEqual((["signum"], before), (kept, case["snapshots"]))

    def test_a_case_of_another_reference_is_not_pytorchs(self):
        self.torch.optim.Signum = self.given["Signum"]
        before = [{"step": 2, "params": [9.0]}]
        kept, _ = self.recompute({}, reference="elsewhere", snapshots=before)
        self.assertEqual(["signum"], kept)

    def test_a_new_case_whose_class_is_not_there_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "signum has no snapshots.*--with"):
            self.recompute({})

    def test_what_is_given_must_be_python(self):
        with self.assertRaisesRegex(SystemExit, "must be a Python file"):
            golden.load(["notes.txt"])
        with self.assertRaisesRegex(SystemExit, "must be a Python file"):
            golden.load(["nowhere.py"])

    def test_what_a_given_file_imports_is_not_given(self):
        self.assertEqual(["Signum"], list(self.given))


class FilesTest(unittest.TestCase):
    def test_a_file_is_written_as_it_was_read(self):
        for name in ("optimizers.json", "schedules.json"):
            text = (golden.FOLDER / name).read_text()
            self.assertEqual(text, golden.text(json.loads(text)), name)

    def test_each_case_has_a_line(self):
        text = (golden.FOLDER / "optimizers.json").read_text()
        for case in json.loads(text)["cases"]:
            start = f'{{"name": {json.dumps(case["name"])}, '
            self.assertEqual(1, sum(line.startswith(start) for line in text.splitlines()))


if __name__ == "__main__":
    unittest.main()
