"""TensorRT: `model.engine`, built through ONNX and run on an NVIDIA GPU, for that GPU and that version alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.platforms.graphs import onnx_graph, output_names
from plainnet.platforms.platform import Axes, Platform, Runner

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PLATFORM"]

BINARY = "model.engine"
INPUT = "images"
"""The name of the input, as `onnx_graph` writes it."""
MOST = 4
"""The upper end of batch and sides, in those of the images that the network is followed with: an engine has to have one."""


def _convert(module: nn.Module, sample: Tensor, axes: Axes, folder: Path) -> None:
    import tensorrt

    names = [f"output_{number}" for number, _ in enumerate(output_names(module, sample) or ("",))]
    graph = onnx_graph(module, sample, axes, outputs=names)
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph.SerializeToString()):
        raise RuntimeError(parser.get_error(0).desc() if parser.num_errors else "TensorRT does not read its graph")
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # it is off by parts in a thousand
    profile = builder.create_optimization_profile()
    own = tuple(sample.shape)
    least = tuple(1 if axis in axes else side for axis, side in enumerate(own))
    profile.set_shape(INPUT, least, own, tuple(MOST * side if axis in axes else side for axis, side in enumerate(own)))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise RuntimeError("TensorRT builds no engine of it")
    (folder / BINARY).write_bytes(bytes(engine))


def _load(folder: Path) -> Runner:
    import tensorrt
    import torch

    runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
    engine = runtime.deserialize_cuda_engine((folder / BINARY).read_bytes())
    if engine is None:
        raise RuntimeError("the engine is of another GPU, or of another version of TensorRT")
    context = engine.create_execution_context()
    count = engine.num_io_tensors - 1

    def run(images: Any) -> Any:
        given, stream = torch.from_numpy(images).cuda(), torch.cuda.current_stream()
        if not context.set_input_shape(INPUT, tuple(given.shape)):
            raise RuntimeError(f"the engine was built for at most {MOST} times the images that it was followed with")
        context.set_tensor_address(INPUT, given.data_ptr())
        found = []
        for name in (f"output_{number}" for number in range(count)):
            found.append(torch.empty(tuple(context.get_tensor_shape(name)), device=given.device))
            context.set_tensor_address(name, found[-1].data_ptr())
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("the engine did not run")
        stream.synchronize()
        return [each.cpu().numpy() for each in found]

    return run


def _not_here() -> str | None:
    import torch

    return None if torch.cuda.is_available() else "torch finds no NVIDIA GPU"


PLATFORM = Platform(
    "tensorrt",
    "TensorRT on an NVIDIA GPU, in float32",
    BINARY,
    _convert,
    _load,
    needs=("torch", "onnx", "onnxscript", "tensorrt"),
    runs=("torch", "tensorrt"),
    packages=("torch", "onnx", "onnxscript", "tensorrt"),
    extra="tensorrt",
    not_here=_not_here,
)
