"""`file.py:function`: a torch module of the user's own, which the function returns."""

from __future__ import annotations

from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import Subject
from plainnet.network.counting.user_modules import is_module_reference, load_module

__all__ = ["FORM"]


def _read(text: str, reading: Reading) -> Subject:  # noqa: ARG001
    return Subject(text, "a Python function", module=load_module(text), name=text)


FORM = Form("a Python function", "FILE.py:FUNCTION", 50, is_module_reference, _read)
