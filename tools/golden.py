#!/usr/bin/env python3
"""Computes the golden files anew: the trajectories of src/test/resources/golden with PyTorch 1.13.1.

Starting points, gradients, and what a case is called and set to are read from the files; what the
reference makes of them is computed and written back, one case per line. So to add a case, add its
line without "snapshots" (of a schedule, without "learning_rates") and run this.

Needs PyTorch 1.13.1 on the processor (Debian 12: apt-get install --no-install-recommends
python3-torch, for /usr/bin/python3), whose single-tensor code it runs in float64. An optimizer that
PyTorch lacks is a class of that name, derived from torch.optim.Optimizer, in a file given with
--with; its cases name that implementation as their "reference". Without the file they are kept as
they are, and listed.
"""

import argparse
import importlib.util
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "src/test/resources/golden"
# Debian's package of 1.13.1 calls itself 1.13.0a0.
VERSIONS = ("1.13.0a0", "1.13.1")
STEPS = (1, 2, 3, 10, 60)
RATES = 200


def text(golden):
    """The text of a file: one member per line, and each element of a list of objects on its own."""
    members = []
    for name, value in golden.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines = ",\n".join(json.dumps(element) for element in value)
            members.append(f"{json.dumps(name)}: [\n{lines}\n]")
        else:
            members.append(f"{json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(members) + "}\n"


def trajectory(torch, optimizer, case, initial, gradients):
    """The snapshots of a case, computed with a class of optimizer."""
    parameter = torch.nn.Parameter(torch.tensor(initial))
    optimizer = optimizer([parameter], **case["hyper"])
    steps = [snapshot["step"] for snapshot in case.get("snapshots", [])] or STEPS
    snapshots = []
    for step, gradient in enumerate(gradients, 1):
        parameter.grad = torch.tensor(gradient)
        if "clip_grad_norm" in case:
            torch.nn.utils.clip_grad_norm_([parameter], case["clip_grad_norm"])
        if "clip_grad_value" in case:
            torch.nn.utils.clip_grad_value_([parameter], case["clip_grad_value"])
        optimizer.step()
        if step in steps:
            state = {
                name: value.tolist() if torch.is_tensor(value) else float(value)
                for name, value in optimizer.state[parameter].items()
                if value is not None
            }
            snapshots.append({"step": step, "params": parameter.tolist(), "state": state})
    return snapshots


def rates(torch, case):
    """The learning rates of a schedule's case."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=case["base_lr"])
    schedule = scheduler(torch.optim.lr_scheduler, optimizer, case["name"], dict(case["hyper"]))
    learning_rates = []
    for step in range(RATES):
        learning_rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([case["metric"][step]] if "metric" in case else []))
    return learning_rates


def scheduler(module, optimizer, name, hyper):
    """PyTorch's scheduler of that name, or the two of them that a warm-up takes."""
    if name == "Warmup+Cosine":
        steps = hyper["warmup_iters"]
        start = hyper["warmup_start_factor"]
        warm_up = module.LinearLR(optimizer, start_factor=start, total_iters=steps)
        cosine = module.CosineAnnealingLR(optimizer, hyper["T_max"])
        return module.SequentialLR(optimizer, [warm_up, cosine], [steps])
    if name in ("CyclicLR", "OneCycleLR"):
        hyper["cycle_momentum"] = False
    return getattr(module, name)(optimizer, **hyper)


def load(files):
    """The classes that files define, by name; not those that they import."""
    classes = {}
    for file in map(pathlib.Path, files):
        if file.suffix != ".py" or not file.is_file():
            sys.exit(f"golden.py: --with is {file}, must be a Python file (.py)")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__:
                classes[name] = value
    return classes


def recompute(torch, optimizers, schedules, given):
    """Computes all cases in place; returns the names of those whose optimizer is not here."""
    kept = []
    for case in optimizers["cases"]:
        name = case["optimizer"]
        optimizer = given.get(name)
        # A case of another reference is never computed with PyTorch's optimizer of that name.
        if optimizer is None and "reference" not in case:
            optimizer = getattr(torch.optim, name, None)
        if optimizer is not None:
            gradients = optimizers["streams"][case["stream"]]
            case["snapshots"] = trajectory(
                torch, optimizer, case, optimizers["initial"], gradients
            )
        elif "snapshots" in case:
            kept.append(case["name"])
        else:
            sys.exit(
                f"golden.py: case {case['name']} has no snapshots and {name} is not here: give the"
                " file with that class by --with, and name where it is from as the case's"
                ' "reference"'
            )
    for case in schedules["schedules"]:
        case["learning_rates"] = rates(torch, case)
    return kept


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing, and fail if a file is not what would be written",
    )
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="files",
        metavar="FILE",
        help="Python file with optimizers that PyTorch lacks; may be given several times",
    )
    parser.add_argument(
        "--missing", action="store_true", help="print what is lacking to do this, or nothing"
    )
    options = parser.parse_args(arguments)
    try:
        import torch

        version = torch.__version__.split("+")[0]
        lacks = "" if version in VERSIONS else f"PyTorch is {version}, must be 1.13.1"
    except ImportError:
        lacks = f"no PyTorch 1.13.1 for {sys.executable}"
    if options.missing:
        print(lacks, end="\n" if lacks else "")
        return 0
    if lacks:
        sys.exit(f"golden.py: {lacks}: on Debian 12, install python3-torch and run /usr/bin/python3")
    # ASGD keeps some of its scalars in tensors of the default type.
    torch.set_default_dtype(torch.float64)

    files = [FOLDER / "optimizers.json", FOLDER / "schedules.json"]
    goldens = [json.loads(file.read_text()) for file in files]
    kept = recompute(torch, *goldens, load(options.files))
    if kept:
        print("kept, since their optimizers are not here: " + ", ".join(kept))
    different = [f for f, golden in zip(files, goldens) if f.read_text() != text(golden)]
    for file, golden in zip(files, goldens):
        if file not in different:
            print(f"{file.name}: equal to the last digit")
        elif options.check:
            print(f"{file.name}: DIFFERS from what would be written")
        else:
            file.write_text(text(golden))
            print(f"{file.name}: written")
    return 1 if options.check and different else 0


if __name__ == "__main__":
    sys.exit(main())
