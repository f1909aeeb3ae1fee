"""The bug zoo: planted mistakes in many kinds of networks, and which of them each gradient checker finds.

``python -m benchmarks.zoo`` runs it and writes ``docs/results/zoo.md``.
"""
