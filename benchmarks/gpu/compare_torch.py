#!/usr/bin/env python3
"""Compares Warmstep's step on a CUDA GPU with PyTorch's optimizers, in one interleaved run.

Needs a host with an NVIDIA GPU, PyTorch with CUDA, and an unpacked bundle of bin/bundle (or, with
--warmstep, any command that runs the command line). Nothing else is used of Python than its
standard library.

In each round every implementation in turn makes a number of steps between two device events:
torch.optim's fused, foreach and plain forms in this process, Warmstep in a process of its own, on
tensors of the same sizes, each an allocation of its own; and a copy within the device of as many
bytes as the step must read and write. Reported is the median over the rounds. Both processes keep
their memory all the time, and one waits while the other measures.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys

RULES = ("sgd", "momentum", "rmsprop", "adam", "adamw")
STATE = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
BYTES = {"float32": 4, "float64": 8}
FLAT = 100_000_000


def resnet50():
    """Lengths of ResNet-50's 161 parameter tensors (He et al. 2016), as torchvision defines it."""
    lengths = []

    def convolution(inputs, outputs, kernel):
        lengths.extend([inputs * outputs * kernel * kernel, outputs, outputs])

    convolution(3, 64, 7)
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            convolution(inputs, width, 1)
            convolution(width, width, 3)
            convolution(width, 4 * width, 1)
            if block == 0:
                convolution(inputs, 4 * width, 1)
            inputs = 4 * width
    lengths.extend([inputs * 1000, 1000])
    return lengths


def gpt2_small():
    """Lengths of GPT-2 small's 148 parameter tensors (Radford et al. 2019), tied output."""
    width = 768
    lengths = [50257 * width, 1024 * width]
    for _ in range(12):
        lengths.extend([width, width])
        for inputs, outputs in ((1, 3), (1, 1)):
            lengths.extend([inputs * outputs * width * width, outputs * width])
        lengths.extend([width, width])
        for inputs, outputs in ((1, 4), (4, 1)):
            lengths.extend([inputs * outputs * width * width, outputs * width])
    lengths.extend([width, width])
    return lengths


SHAPES = {
    "flat": lambda: [FLAT],
    "resnet50_flat": lambda: [sum(resnet50())],
    "resnet50": resnet50,
    "gpt2": gpt2_small,
}


def step_bytes(rule, dtype, lengths):
    """Fewest bytes of a step: parameter, gradient and state read, parameter and state written."""
    return sum(lengths) * BYTES[dtype] * (3 + 2 * STATE[rule])


class Warmstep:
    """The other process: bin/warmstep measure."""

    def __init__(self, command, backend):
        self.process = subprocess.Popen(
            [command, "measure", "--backend", backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.device = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"warmstep ended with exit code {self.process.wait()}; its message is above")
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"warmstep: {answer['error']}")
        return answer

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Implementation:
    """Something that makes steps. run(n) gives milliseconds on the device for each of n steps."""

    def __init__(self, name, run, close):
        self.name = name
        self.run = run
        self.close = close
        self.times = []
        self.host = []


def torch_timed(torch, action):
    """A run function that makes n actions between two events of the current stream."""

    def run(count):
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(count):
            action()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / count

    return run


def torch_optimizer(torch, rule, parameters, form):
    """The torch.optim optimizer of a rule in a form, or None if it has no such form."""
    forms = {"fused": form == "fused", "foreach": form == "foreach"}
    if rule == "rmsprop":
        if form == "fused":
            return None
        return torch.optim.RMSprop(parameters, lr=1e-3, foreach=forms["foreach"])
    if rule in ("sgd", "momentum"):
        momentum = 0.9 if rule == "momentum" else 0.0
        return torch.optim.SGD(parameters, lr=1e-3, momentum=momentum, **forms)
    kind = torch.optim.AdamW if rule == "adamw" else torch.optim.Adam
    return kind(parameters, lr=1e-3, **forms)


def torch_implementations(torch, rule, dtype, lengths):
    """torch.optim's forms. They share parameters and gradients; each has its own state."""
    kind = getattr(torch, dtype)
    parameters = [torch.empty(n, dtype=kind, device="cuda").uniform_(-1, 1) for n in lengths]
    for parameter in parameters:
        parameter.requires_grad_(True)
        parameter.grad = torch.empty_like(parameter).uniform_(-1, 1)
    found = []
    for form in ("fused", "foreach", "plain"):
        optimizer = torch_optimizer(torch, rule, parameters, form)
        if optimizer is not None:
            found.append(
                Implementation(f"torch {form}", torch_timed(torch, optimizer.step), lambda: None)
            )
    return found


def copy_implementation(torch, moved):
    source = torch.empty(max(moved // 2, 1), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return Implementation("copy", torch_timed(torch, lambda: target.copy_(source)), lambda: None)


def warmstep_implementation(warmstep, rule, dtype, lengths):
    warmstep.ask({"open": {"rule": rule, "dtype": dtype, "lengths": lengths}})
    implementation = Implementation("warmstep", None, lambda: warmstep.ask({"close": True}))

    def run(count):
        answer = warmstep.ask({"steps": count})
        implementation.host.append(answer["host_us"])
        return answer["ms"]

    implementation.run = run
    return implementation


def measure(implementations, rounds, milliseconds):
    """Fills the times of all implementations, in turns."""
    counts = {}
    for one in implementations:
        one.run(3)
        counts[one.name] = max(1, int(milliseconds / max(one.run(5), 1e-4)))
        one.host.clear()
    for number in range(rounds):
        # A different one begins each round, so that none always follows the same other.
        first = number % len(implementations)
        for one in implementations[first:] + implementations[:first]:
            one.times.append(one.run(counts[one.name]))


def case(torch, warmstep, shape, rule, dtype, rounds, milliseconds):
    lengths = SHAPES[shape]()
    moved = step_bytes(rule, dtype, lengths)
    implementations = [
        warmstep_implementation(warmstep, rule, dtype, lengths),
        *torch_implementations(torch, rule, dtype, lengths),
        copy_implementation(torch, moved),
    ]
    measure(implementations, rounds, milliseconds)
    result = summary(shape, rule, dtype, lengths, moved, implementations)
    for one in implementations:
        one.close()
    implementations.clear()
    torch.cuda.empty_cache()
    return result


def summary(shape, rule, dtype, lengths, moved, implementations):
    ours = next(one for one in implementations if one.name == "warmstep")
    copy = next(one for one in implementations if one.name == "copy")
    results = {}
    for one in implementations:
        results[one.name] = {
            "ms": statistics.median(one.times),
            "ms_low": min(one.times),
            "ms_high": max(one.times),
            "gb_per_s": moved / statistics.median(one.times) / 1e6,
            # Of the pairs of a round, so that a drift of the clock cancels.
            "of_copy": statistics.median(c / t for c, t in zip(copy.times, one.times)),
            "times_warmstep": statistics.median(t / w for t, w in zip(one.times, ours.times)),
        }
    results["warmstep"]["host_us"] = statistics.median(ours.host)
    return {
        "shape": shape,
        "rule": rule,
        "dtype": dtype,
        "tensors": len(lengths),
        "parameters": sum(lengths),
        "step_bytes": moved,
        "results": results,
    }


def table(cases):
    """The results as Markdown; times in milliseconds, with the ratio to Warmstep's."""
    names = ("torch fused", "torch foreach", "torch plain")
    lines = [
        "| shape | rule | type | warmstep, ms | of the copy | host, us | " + " | ".join(names) + " |",
        "| --- | --- | --- | ---: | ---: | ---: |" + " ---: |" * len(names),
    ]
    for one in cases:
        ours = one["results"]["warmstep"]
        cells = [
            one["shape"],
            one["rule"],
            one["dtype"],
            f"{ours['ms']:.4g}",
            f"{ours['of_copy']:.3f}",
            f"{ours['host_us']:.1f}",
        ]
        for name in names:
            other = one["results"].get(name)
            cells.append(f"{other['ms']:.4g} ({other['times_warmstep']:.2f}x)" if other else "none")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def driver_version():
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        )
        return answer.stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--warmstep", default="bin/warmstep", metavar="COMMAND",
                        help="the bundle's bin/warmstep (default %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="where the JSON goes (default: not written)")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--dtype", choices=BYTES, default="float32")
    parser.add_argument("--rounds", type=int, default=11, help="default %(default)s")
    parser.add_argument("--milliseconds", type=float, default=50,
                        help="of each implementation in each round (default %(default)s)")
    return parser.parse_args()


def main():
    options = arguments()
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: this comparison runs where it is")
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no CUDA device: this comparison needs one")
    warmstep = Warmstep(options.warmstep, "cuda")
    cases = []
    for shape in options.shapes:
        for rule in options.rules:
            one = case(torch, warmstep, shape, rule, options.dtype, options.rounds,
                       options.milliseconds)
            cases.append(one)
            print(table([one]).splitlines()[-1], file=sys.stderr, flush=True)
    report = {
        "gpu": torch.cuda.get_device_name(),
        "driver": driver_version(),
        "torch": torch.__version__,
        "cuda_of_torch": torch.version.cuda,
        "python": platform.python_version(),
        "warmstep": warmstep.device,
        "date": datetime.date.today().isoformat(),
        "rounds": options.rounds,
        "cases": cases,
    }
    warmstep.close()
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(f"{report['gpu']}, driver {report['driver']}, PyTorch {report['torch']}")
    print()
    print(table(cases))


if __name__ == "__main__":
    main()
