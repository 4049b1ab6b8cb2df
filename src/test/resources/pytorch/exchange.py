"""The PyTorch side of PyTorchTest: optimizers that the test names, on the gradients that it gives.

exchange.py begin FOLDER     10 steps, exports NAME.begun, 20 more, exports NAME.ended
exchange.py go_on FOLDER     imports NAME.saved, 20 steps, exports NAME.continued
"""
import sys

import torch

sys.path.insert(0, sys.argv[2])
try:
    import safetensors.torch as safetensors
except ImportError:
    sys.path.append(sys.argv[3])
    import safetensors.torch as safetensors
from checkpoint import export_checkpoint, import_checkpoint

torch.set_num_threads(1)
task, folder = sys.argv[1], sys.argv[2]
gradients = safetensors.load_file(f"{folder}/gradients")


def model_of():
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3)).double()
    for name, parameter in model.named_parameters():
        parameter.data.copy_(gradients["0." + name].reshape(parameter.shape))
    return model


def steps(model, optimizer, begin, end):
    for step in range(begin, end + 1):
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[f"{step}.{name}"].reshape(parameter.shape).clone()
        optimizer.step()


def scaler_of():
    torch.cuda.is_available = lambda: True  # it computes nothing here, and needs no GPU for that
    return torch.cuda.amp.GradScaler(init_scale=512.0, growth_interval=7)


for line in open(f"{folder}/optimizers", encoding="utf-8"):
    name, expression = line.rstrip("\n").split("\t")
    model, scaler = model_of(), scaler_of()
    optimizer = eval(expression, {"optim": torch.optim, "P": model.parameters()})
    if task == "begin":
        steps(model, optimizer, 1, 10)
        export_checkpoint(f"{folder}/{name}.begun", model, optimizer, 10, scaler)
        steps(model, optimizer, 11, 30)
        export_checkpoint(f"{folder}/{name}.ended", model, optimizer, 30)
    else:
        import_checkpoint(f"{folder}/{name}.saved", model, optimizer, scaler)
        steps(model, optimizer, 11, 30)
        export_checkpoint(f"{folder}/{name}.continued", model, optimizer, 30, scaler)
