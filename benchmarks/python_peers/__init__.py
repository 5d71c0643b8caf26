"""What a Python user would pick instead: the 1-minute rollup of the benchmark in Bytewax, Quix Streams and Pathway.

Each module beside this one is run by the Python of an environment that has its framework, and imports nothing of ours but :mod:`rollup`.
"""
