"""What a network runs on: torch itself, its compilers and graphs, and runtimes that need no torch.

A platform is an adapter (`plainnet/platforms/adapters/`): it writes a network into a folder, and runs such a folder on images. A
folder of a conversion (`conversion.py`) holds the binary, what it was made of, and images with the network's own answers, so
that anybody can see later whether it still gives them.
"""
