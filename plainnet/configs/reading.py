"""A YAML parser that stops at the bounds."""

from __future__ import annotations

from typing import Any

from plainnet.configs.bounds import MAX_VALUES, Budget, TooMuchError

__all__ = ["compose"]


def compose(text: str) -> tuple[Any, Any]:
    """The root node of a YAML 1.2 text (None for an empty one), and what makes values of scalars.

    Raises ruamel.yaml's errors, and `TooMuchError` before more than the bounds has been read.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer

    class BoundedComposer(Composer):
        """Counts while it composes: what is too much or too deep is not read to its end."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.warn_double_anchors = False  # a name that is used again means the nearer one, as YAML says
            self.made, self.budget = 0, Budget()

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.made += 1
            if self.made > MAX_VALUES:
                raise TooMuchError(f"more than {MAX_VALUES:,} keys and values")
            with self.budget:
                return super().compose_node(parent, index)

    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = BoundedComposer
    return yaml.compose(text), yaml.constructor
