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

The host's time is that until a call returns, of calls that find room in the stream. Where it is
about as long as the device's, the row says how fast the host is, not the kernels: for that,
torch graph replays fused steps captured in a CUDA graph.

With --full-step it compares what a training loop does from the backward pass to the next instead:
gradients are divided by a loss scale and checked, clipped by their norm, AdamW is applied and
gradients are set to zero. PyTorch does so by GradScaler.unscale_, clip_grad_norm_, fused AdamW and
zero_grad(set_to_none=False), with parameters in float32, or all in bfloat16 without a scaler.
bitsandbytes, torchao and FlashOptim are compared likewise where they are installed.
"""

import argparse
import datetime
import gc
import importlib
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import time

RULES = ("sgd", "momentum", "rmsprop", "adam", "adamw")
STATE = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
BYTES = {"float32": 4, "float64": 8}
FLAT = 100_000_000
# Steps that a stream takes without making the host wait for room.
QUEUED = 100
# A row whose host time is at least this fraction of the device's is one of the host.
HOST_BOUND = 0.9


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


# What --full-step compares: name, what it is compared with, and bytes of a parameter that are held
# beside it and its gradient.
FULL_STEPS = {
    "warmstep float32": ({"dtype": "float32"}, 8),
    "warmstep bfloat16, exact masters": ({"dtype": "bfloat16", "master": "exact"}, 10),
    "warmstep bfloat16, exact masters, bfloat16 state": (
        {"dtype": "bfloat16", "master": "exact", "state": "bfloat16"}, 6),
    "warmstep bfloat16, exact masters, int8 state": (
        {"dtype": "bfloat16", "master": "exact", "state": "int8", "rounding": "stochastic"}, 4.125),
    "warmstep bfloat16, stochastic rounding, bfloat16 state": (
        {"dtype": "bfloat16", "rounding": "stochastic", "state": "bfloat16"}, 4),
    "torch float32": ("float32", 8),
    "torch bfloat16": ("bfloat16", 4),
}
# Other libraries, with parameters in bfloat16, where they are installed.
PEERS = {
    "bitsandbytes AdamW8bit": ("bitsandbytes.optim", "AdamW8bit", {}, 2.03),
    "torchao AdamW8bit": ("torchao.optim", "AdamW8bit", {"bf16_stochastic_round": True}, 2.03),
    "flashoptim FlashAdamW": ("flashoptim", "FlashAdamW", {}, 3.13),
}
LOSS_SCALE = 1024.0
MAX_NORM = 1.0


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
    """Something that makes steps.

    run(n) gives milliseconds on the device for each of n steps, host(n) microseconds until each of
    n calls returns, or None where that says nothing.
    """

    def __init__(self, name, run, host=None, close=lambda: None):
        self.name = name
        self.run = run
        self.host = host
        self.close = close
        self.times = []
        self.host_times = []


def torch_implementation(torch, name, action, prepare=lambda: None, has_host=True):
    """Steps in this process, between two events of the current stream, after a preparation."""

    def run(count):
        prepare()
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(count):
            action()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / count

    def host(count):
        prepare()
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            action()
        end = time.perf_counter()
        torch.cuda.synchronize()
        return (end - begin) * 1e6 / count

    return Implementation(name, run, host if has_host else None)


def torch_optimizer(torch, rule, parameters, form):
    """The torch.optim optimizer of a rule in a form, or None if it has no such form."""
    if rule == "rmsprop":
        if form in ("fused", "graph"):
            return None
        return torch.optim.RMSprop(parameters, lr=1e-3, foreach=form == "foreach")
    fused = form in ("fused", "graph")
    forms = {"fused": fused, "foreach": form == "foreach"}
    if rule in ("sgd", "momentum"):
        momentum = 0.9 if rule == "momentum" else 0.0
        return torch.optim.SGD(parameters, lr=1e-3, momentum=momentum, **forms)
    kind = torch.optim.AdamW if rule == "adamw" else torch.optim.Adam
    return kind(parameters, lr=1e-3, capturable=form == "graph", **forms)


def torch_graph(torch, step):
    """Replays one captured step."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def torch_implementations(torch, rule, dtype, lengths):
    """torch.optim's forms. They share parameters and gradients; each has its own state."""
    kind = getattr(torch, dtype)
    parameters = [torch.empty(n, dtype=kind, device="cuda").uniform_(-1, 1) for n in lengths]
    for parameter in parameters:
        parameter.requires_grad_(True)
        parameter.grad = torch.empty_like(parameter).uniform_(-1, 1)
    found = []
    for form in ("fused", "foreach", "plain", "graph"):
        optimizer = torch_optimizer(torch, rule, parameters, form)
        if optimizer is not None:
            action = torch_graph(torch, optimizer.step) if form == "graph" else optimizer.step
            found.append(torch_implementation(torch, f"torch {form}", action))
    return found


def copy_implementation(torch, moved):
    # Random bytes: the memory of a GPU is faster, and draws less power, on bytes that are all alike.
    source = torch.empty(max(moved // 2, 1), dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    return torch_implementation(torch, "copy", lambda: target.copy_(source), has_host=False)


def fused_adamw(torch):
    return lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, fused=True)


def peer_optimizer(name):
    """What makes a peer's optimizer of parameters, or None where it is not installed."""
    module, kind, options, _ = PEERS[name]
    try:
        made = getattr(importlib.import_module(module), kind)
    except ImportError:
        return None
    return lambda parameters: made(parameters, lr=1e-3, **options)


def torch_full_step(torch, make, dtype, lengths):
    """A whole step in PyTorch, as training loops have it, and what puts gradients back."""
    kind = getattr(torch, dtype)
    parameters = [torch.empty(n, dtype=kind, device="cuda").uniform_(-1, 1) for n in lengths]
    for parameter in parameters:
        parameter.requires_grad_(True)
        parameter.grad = torch.empty_like(parameter).uniform_(-1, 1)
    gradients = [parameter.grad for parameter in parameters]
    fresh = [gradient.clone() for gradient in gradients]
    optimizer = make(parameters)
    scaler = None
    if dtype != "bfloat16":
        scaler = torch.amp.GradScaler("cuda", init_scale=LOSS_SCALE, growth_interval=1 << 30)
        scaler.scale(torch.zeros(1, device="cuda"))  # makes its tensors

    def step():
        if scaler:
            scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM, foreach=True)
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    def restore():
        with torch.no_grad():
            torch._foreach_copy_(gradients, fresh)

    return step, restore


def full_step_case(torch, warmstep, shape, rounds, milliseconds):
    """All of FULL_STEPS on the tensors of a shape, and a copy of as many bytes as ours moves."""
    lengths = SHAPES[shape]()
    implementations = []
    for name, (setting, _) in FULL_STEPS.items():
        if name.startswith("torch"):
            step = torch_full_step(torch, fused_adamw(torch), setting, lengths)
            implementations.append(torch_implementation(torch, name, *step))
        else:
            implementations.append(warmstep_implementation(
                warmstep, "adamw", lengths=lengths, full=True, name=name, **setting))
    for name in PEERS:
        make = peer_optimizer(name)
        if make:
            step = torch_full_step(torch, make, "bfloat16", lengths)
            implementations.append(torch_implementation(torch, name, *step))
    implementations.append(copy_implementation(torch, 36 * sum(lengths)))
    measure(implementations, rounds, milliseconds)
    result = summary(shape, "adamw", "full step", lengths, 36 * sum(lengths), implementations,
                     "warmstep float32")
    while implementations:
        implementations.pop().close()
    gc.collect()
    torch.cuda.empty_cache()
    return result


def full_step_table(cases):
    """The results of full_step_case as Markdown."""
    lines = [
        "| shape | whole step of AdamW | held, bytes per parameter | ms | times warmstep float32 | host, us |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in cases:
        for name, (*_, held) in (FULL_STEPS | PEERS).items():
            result = one["results"].get(name)
            if result is None:
                continue
            mark = " (host)" if result["host_bound"] else ""
            lines.append(f"| {one['shape']} | {name} | {held} | {result['ms']:.4g}{mark} |"
                         f" {result['times_warmstep']:.2f} | {result['host_us']:.1f} |")
    return "\n".join(lines)


def warmstep_implementation(warmstep, rule, dtype, lengths, name="warmstep", **options):
    opened = {"rule": rule, "dtype": dtype, "lengths": lengths, **options}
    warmstep.ask({"model": name, "open": opened})
    return Implementation(
        name,
        lambda count: warmstep.ask({"model": name, "steps": count})["ms"],
        lambda count: warmstep.ask({"model": name, "steps": count})["host_us"],
        lambda: warmstep.ask({"close": True}),
    )


def measure(implementations, rounds, milliseconds):
    """Fills the times of all implementations, in turns."""
    counts = {}
    for one in implementations:
        one.run(3)
        counts[one.name] = max(1, int(milliseconds / max(one.run(5), 1e-4)))
    for number in range(rounds):
        # A different one begins each round, so that none always follows the same other.
        first = number % len(implementations)
        for one in implementations[first:] + implementations[:first]:
            one.times.append(one.run(counts[one.name]))
            if one.host:
                one.host_times.append(one.host(min(counts[one.name], QUEUED)))


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
    while implementations:
        implementations.pop().close()
    gc.collect()
    torch.cuda.empty_cache()
    return result


def summary(shape, rule, dtype, lengths, moved, implementations, base="warmstep"):
    ours = next(one for one in implementations if one.name == base)
    copy = next(one for one in implementations if one.name == "copy")
    results = {}
    for one in implementations:
        milliseconds = statistics.median(one.times)
        result = {
            "ms": milliseconds,
            "ms_low": min(one.times),
            "ms_high": max(one.times),
            "gb_per_s": moved / milliseconds / 1e6,
            # Of the pairs of a round, so that a drift of the clock cancels.
            "of_copy": statistics.median(c / t for c, t in zip(copy.times, one.times)),
            "times_warmstep": statistics.median(t / w for t, w in zip(one.times, ours.times)),
        }
        if one.host_times:
            result["host_us"] = statistics.median(one.host_times)
            result["host_bound"] = result["host_us"] >= HOST_BOUND * milliseconds * 1e3
        results[one.name] = result
    return {
        "shape": shape,
        "rule": rule,
        "dtype": dtype,
        "tensors": len(lengths),
        "parameters": sum(lengths),
        "step_bytes": moved,
        "results": results,
    }


def cell(result):
    """Milliseconds, the ratio to Warmstep's, and a mark if it is the host's time."""
    if result is None:
        return "none"
    mark = " (host)" if result["host_bound"] else ""
    return f"{result['ms']:.4g}, {result['times_warmstep']:.2f}x{mark}"


def table(cases):
    """The results as Markdown."""
    names = ("torch fused", "torch graph", "torch foreach", "torch plain")
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
            f"{ours['ms']:.4g}" + (" (host)" if ours["host_bound"] else ""),
            f"{ours['of_copy']:.3f}",
            f"{ours['host_us']:.1f}",
        ]
        cells.extend(cell(one["results"].get(name)) for name in names)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gpu_settings():
    """What nvidia-smi says of the GPU that may change its speed, or nothing where it is missing."""
    fields = ("name", "driver_version", "compute_mode", "ecc.mode.current", "power.limit",
              "clocks.max.sm", "clocks.max.memory", "persistence_mode", "mig.mode.current")
    try:
        answer = subprocess.run(
            ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"],
            capture_output=True, text=True, check=True,
        )
        return dict(zip(fields, map(str.strip, answer.stdout.splitlines()[0].split(","))))
    except (OSError, subprocess.CalledProcessError, IndexError):
        return {}


def default_command():
    """bin/warmstep of the bundle or of the repository that this file is in."""
    here = pathlib.Path(__file__).resolve()
    for folder in here.parents[1:3]:
        command = folder / "bin" / "warmstep"
        if command.exists():
            return str(command)
    return "bin/warmstep"


def write(report, path):
    """Writes what there is so far, so that a run cut short leaves its results."""
    if path:
        temporary = pathlib.Path(f"{path}.part")
        temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--warmstep", default=default_command(), metavar="COMMAND",
                        help="the bundle's bin/warmstep (default %(default)s)")
    parser.add_argument("--out", metavar="FILE", help="where the JSON goes (default: not written)")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--full-step", action="store_true",
                        help="compare whole steps of AdamW instead, in several precisions")
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
    if torch.cuda.get_device_name(0) not in warmstep.device["device"]:
        sys.exit(f"PyTorch has {torch.cuda.get_device_name(0)}, Warmstep {warmstep.device['device']}:"
                 " set CUDA_VISIBLE_DEVICES to one GPU")
    report = {
        "gpu": torch.cuda.get_device_name(0),
        "settings": gpu_settings(),
        "torch": torch.__version__,
        "cuda_of_torch": torch.version.cuda,
        "python": platform.python_version(),
        "warmstep": warmstep.device,
        "date": datetime.date.today().isoformat(),
        "rounds": options.rounds,
        "cases": [],
        "failures": [],
    }
    make_table = full_step_table if options.full_step else table
    for shape in options.shapes:
        for rule in ("adamw",) if options.full_step else options.rules:
            try:
                if options.full_step:
                    one = full_step_case(torch, warmstep, shape, options.rounds,
                                         options.milliseconds)
                else:
                    one = case(torch, warmstep, shape, rule, options.dtype, options.rounds,
                               options.milliseconds)
            except torch.cuda.OutOfMemoryError as e:
                report["failures"].append({"shape": shape, "rule": rule, "reason": str(e)})
                print(f"{shape}, {rule}: {e}", file=sys.stderr)
                gc.collect()
                torch.cuda.empty_cache()
                continue
            report["cases"].append(one)
            write(report, options.out)
            print("\n".join(make_table([one]).splitlines()[2:]), file=sys.stderr, flush=True)
    warmstep.close()
    write(report, options.out)
    print(f"{report['gpu']}, driver {report['settings'].get('driver_version', 'unknown')},"
          f" PyTorch {report['torch']}")
    print()
    print(make_table(report["cases"]))
    sys.exit(1 if report["failures"] else 0)


if __name__ == "__main__":
    main()
