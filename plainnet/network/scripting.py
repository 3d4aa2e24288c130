"""A network as `torch.jit.script` takes it."""

from __future__ import annotations

from torch import fx, nn

from plainnet.errors import UsageError

__all__ = ["scriptable"]


def scriptable(net: nn.Module) -> fx.GraphModule:
    """The network as torch's tracer sees it, for images of every size: each layer with its tensors' names, and between them plain
    calls. What passes nothing but its input on is left out, as TorchScript takes such modules for maps alone.

    Raises `UsageError` for a network whose zeros have one size.
    """
    if getattr(net, "has_one_size", False):
        raise UsageError(
            "zeros in this network have the size that they have for images of one size, and a script takes all;"
            " accepted: torch.jit.trace with images of that size"
        )
    traced = fx.symbolic_trace(net)
    for node in list(traced.graph.nodes):
        node.type = None  # names of types that the script does not see
        if node.op == "call_module" and isinstance(traced.get_submodule(str(node.target)), nn.Identity):
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.recompile()
    return traced
