"""Which network is meant: `resolve` turns any of the ways to name one into a `Subject`. Each way is a file in `forms/`."""

from plainnet.naming.form import Form, Reading
from plainnet.naming.resolver import known_forms, resolve
from plainnet.naming.subject import DEFAULT, SAID, Known, Subject

__all__ = ["DEFAULT", "SAID", "Form", "Known", "Reading", "Subject", "known_forms", "resolve"]
