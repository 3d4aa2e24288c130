"""`plainnet.compose`: a backbone, a neck and heads as one network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.naming.components import composed
from plainnet.naming.resolver import resolve
from plainnet.naming.subject import Subject

if TYPE_CHECKING:
    from plainnet.templates.components import Component

__all__ = ["compose"]


def compose(
    backbone: Any,
    *,
    heads: Mapping[str, Component],
    neck: Component | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> Subject:
    """The network of a backbone, a neck if there is one, and heads, as `plainnet.resolve` gives networks.

        found = plainnet.compose(
            "resnet18",
            neck={"type": "fpn", "from": ["backbone.c3", "backbone.c4", "backbone.c5"], "channels": 64},
            heads={"boxes": {"type": "anchor_free", "from": ["neck.p3", "neck.p4", "neck.p5"], "num_classes": 10}},
        )
        str(found.structure)        # one string
        plainnet.PlainNet(found)    # one module, with the tensors backbone. ..., neck. ..., heads.boxes. ...

    backbone: whatever `plainnet.resolve` takes and is a structure; what stands behind its last map (a classifier of its own) is
        left out, and a note says so. Its size, variant and epsilon are those of the network; its weights are not taken
        (`plainnet.load_weights` takes them). resolution: of the images, that of the backbone by default.

    heads, neck, and the errors: as for `plainnet.templates.components.compose`.
    """
    subject = resolve(backbone)
    if subject.structure is None:
        raise UsageError(f"{subject.said} is a module; accepted as a backbone: what has a structure")
    return composed(subject.saying(resolution=resolution), heads=heads, neck=neck)
