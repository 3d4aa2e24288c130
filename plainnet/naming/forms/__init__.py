"""One file for each way to name a network; each holds a `FORM` (see `plainnet.naming.form`) and is found by being here."""
