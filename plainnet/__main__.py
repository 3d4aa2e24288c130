"""`python -m plainnet`."""

from plainnet.cli.main import main

main()
