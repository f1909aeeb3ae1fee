"""How good the detective is: planted mistakes, what must be said of each, and what is said.

``python -m benchmarks.causes`` asks `fastcheck.check` about wrong gradients of which it is known what is wrong with
them, and counts how often the first of ``report.causes`` says so and names the right line of the cost. To tune:

    python -m benchmarks.causes --sets zoo --families course L2 --seeds 1     # some families of the zoo
    python -m benchmarks.causes --sets zoo --only "bias|db"                   # mistakes, by a regular expression
    python -m benchmarks.causes --sets kinds pairs --verbose                  # every answer, as it comes
    python -m benchmarks.causes --sets zoo --json answers.json                # everything, for a closer look
    python -m benchmarks.causes --page                                        # all sets; writes docs/results/causes.md

The sets are ``zoo``, ``textbook``, ``kinds``, ``pairs`` and ``timing``, an LSTM of a size at which time matters. From
Python::

    from benchmarks.causes.sets import planted
    from benchmarks.causes.asking import ask
    for claim in planted(["zoo"], seeds=1, families=["course"]):
        answer = ask(claim)
        print(answer.verdict, claim.mistake, [cause.sentence for cause in answer.causes])
"""
