"""What the zoo found, as a page of tables and plain sentences."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.zoo.families import FAMILIES, LARGE
from benchmarks.zoo.mistakes import MISTAKES
from benchmarks.zoo.peers import PEERS, Peer
from benchmarks.zoo.run import FASTCHECK, METHODS, PEERS_UP_TO, PLAIN, Outcome

PAGE = """\
# The bug zoo

Written by `python -m benchmarks.zoo`; do not edit. {mistakes} mistakes, each planted in every one of {families}
families of networks where it can be made, with several seeds; and right gradients of the same networks. A case is
one claimed gradient. Python {python}, {packages}.

*Detected*: called wrong, and only in blocks that are. *Missed*: called right. *False alarm*: a right gradient, or a
right block beside a wrong one, called wrong. A mistake counts if it changes a coordinate by 1e-6 of its right value or
more (2e-5 in float32: fastcheck holds such claims to a hundred rounding units, 1.2e-5). The change is
measured, never declared. Of {planted:,} planted, {none:,} changed nothing at that point (a derivative of ReLU that is
squared, say) and {small:,} less than that; these are not in the tables.

## fastcheck

{fastcheck}

{missed}

{large}

## Side by side

The same cases to everybody: networks up to {limit} parameters, {seeds}. *Defaults* are those
of the documentation, and a peer is called as that says: the claimed gradient is registered as the derivative of the
cost. SciPy returns a norm and leaves it to its user what is large; 1e-6 is taken. *Best* is the setting, of those
tried, with the lowest sum of the shares of missed mistakes and of false alarms, chosen afterwards with the answers
known; nobody could choose better from these. fastcheck has its defaults.

{side_by_side}

{absent}
## By family

{by_family}

## By mistake

How many of the cases of each mistake fastcheck found; and, of the cases that the peers got, in percent, how many
these found at their defaults.

{by_mistake}

Four more situations in which common rules fail are tests: `tests/stories/test_four_situations.py`.
"""

Rows = Sequence[Outcome]


def page(outcomes: Rows, peers: Sequence[Peer] = PEERS) -> str:
    """Return the page, in Markdown; ``peers`` are those that might have been asked."""
    planted = [o for o in outcomes if o.effect and o.checker == FASTCHECK]
    none = [o for o in planted if o.effect and not o.effect.blocks]
    small = [o for o in planted if o.effect and o.effect.small and o.effect.blocks]
    counted = [o for o in outcomes if not (o.effect and o.effect.small)]
    shared = {key(o) for o in counted if o.checker not in METHODS}
    same = [o for o in counted if key(o) in shared]
    return PAGE.format(
        mistakes=len(MISTAKES),
        families=len({o.family for o in planted}),
        python=platform.python_version(),
        packages=", ".join(versions(peers)),
        planted=len(planted),
        none=len(none),
        small=len(small),
        fastcheck=scores([(name, [o for o in counted if o.checker == name]) for name in METHODS]),
        missed=missed(counted),
        large=large(counted),
        limit=PEERS_UP_TO,
        seeds=seeds(same),
        side_by_side=side_by_side(same, peers)
        if same
        else "No peer was asked: `pip install -e .[peers]` first.",
        absent=absent(peers),
        by_family=by_family(counted),
        by_mistake=by_mistake(counted, same, peers),
    )


def key(o: Outcome) -> tuple[str, int, str | None]:
    """Return what tells one claim from another."""
    return o.family, o.seed, o.mistake


def versions(peers: Sequence[Peer]) -> list[str]:
    """Return the packages that were compared, with their versions."""
    names = dict.fromkeys(["numpy", *(peer.package for peer in peers if peer.installed)])
    return [f"{name} {importlib.metadata.version(name)}" for name in names]


def absent(peers: Sequence[Peer]) -> str:
    """Return a sentence for peers that are not installed."""
    names = [f"`{peer.name}`" for peer in peers if not peer.installed]
    return f"Not installed here, and not asked: {', '.join(names)}.\n" if names else ""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; all columns but the first are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def count(rows: Iterable[Outcome], *said: str) -> int:
    """Return how many of the outcomes are among those."""
    return sum(o.said in said for o in rows)


def wrong(rows: Rows) -> list[Outcome]:
    """Return the outcomes for wrong gradients."""
    return [o for o in rows if o.mistake]


def right(rows: Rows) -> list[Outcome]:
    """Return the outcomes for right gradients."""
    return [o for o in rows if not o.mistake]


def false_alarms(rows: Rows) -> int:
    """Return how many right gradients, and right blocks beside wrong ones, were called wrong."""
    return count(right(rows), "detected", "elsewhere") + count(wrong(rows), "elsewhere")


def scores(checkers: Sequence[tuple[str, Rows]]) -> str:
    """Return one line for each checker."""
    header = ["checker", "wrong", "detected", "missed", "inconclusive", "right", "false alarms"]
    header += ["inconclusive", "errors", "seconds"]
    lines = []
    for name, rows in checkers:
        bad, good = wrong(rows), right(rows)
        found, passed = count(bad, "detected", "elsewhere"), count(bad, "passed")
        line: list[object] = [
            name,
            f"{len(bad):,}",
            f"{found:,}",
            f"{passed:,} ({percent(passed, len(bad))})",
        ]
        line += [
            count(bad, "inconclusive"),
            f"{len(good):,}",
            false_alarms(rows),
            count(good, "inconclusive"),
        ]
        line += [count(rows, "error"), f"{sum(o.seconds for o in rows):.0f}"]
        lines.append(line)
    return table(header, lines)


def percent(part: int, whole: int) -> str:
    """Return a share, such as 12.5 %."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def missed(counted: Rows) -> str:
    """Return what fastcheck missed, and where it did not decide."""
    rows = [o for o in wrong(counted) if o.checker == FASTCHECK and o.said != "detected"]
    plain = [o for o in counted if o.checker == FASTCHECK and o.method == "plain"]
    follow = "It subtracted costs in no case."
    if plain:
        follow = (
            f"It subtracted costs in {len(plain)} cases ({count(plain, 'inconclusive')} of these "
            "inconclusive), which difference propagation could not follow."
        )
    if not rows:
        return f"{follow} It missed nothing."
    hidden = [o for o in rows if o.effect and o.effect.to_block < 1e-7]
    sentence = (
        f"{follow} Of the {len(rows)} mistakes that it did not find, {len(hidden)} change only coordinates that are "
        "small beside the rest of their block, by less than 1e-7 of its typical entry (RMS): that is the tolerance."
    )
    header = ["missed", "family", "seed", "relative change", "to typical entry", "said"]
    lines = [
        [o.mistake, o.family, o.seed, f"{o.effect.relative:.1e}", f"{o.effect.to_block:.1e}", o.said]
        for o in sorted(rows, key=lambda o: -(o.effect.to_block if o.effect else 0))
        if o.effect
    ]
    return f"{sentence}\n\n{table(header, lines)}"


def large(counted: Rows) -> str:
    """Return a sentence on the large networks."""
    rows = [o for o in counted if o.family in LARGE]
    if not rows:
        return ""
    largest = max(o.parameters for o in rows)
    passed, slowest = count(rows, "passed"), max(o.seconds for o in rows)
    return (
        f"Among the right gradients are those of {len(rows)} ReLU networks with up to {largest:,} parameters and "
        f"batches of up to 512 ({', '.join(LARGE)}), all coordinates checked: {passed} passed, the slowest in "
        f"{slowest:.0f} s."
    )


def seeds(same: Rows) -> str:
    """Return how many seeds the peers got."""
    bad, good = (len({o.seed for o in part(same)}) for part in (wrong, right))
    return f"mistakes with {bad} seed{'s' * (bad != 1)} and right gradients with {good}"


def side_by_side(same: Rows, peers: Sequence[Peer]) -> str:
    """Return the peers' scores beside fastcheck's."""
    checkers = [(name, [o for o in same if o.checker == name]) for name in METHODS]
    for peer in peers:
        rows = [o for o in same if o.checker == peer.name]
        if not rows:
            continue
        number = best_setting(peer, rows)
        checkers.append((f"`{peer.name}`, defaults", [o for o in rows if o.setting == 0]))
        settings = ", ".join(f"{name}={value}" for name, value in [peer.defaults, *peer.grid][number].items())
        checkers.append((f"best: {settings or 'the defaults'}", [o for o in rows if o.setting == number]))
    return scores(checkers)


def best_setting(peer: Peer, rows: Rows) -> int:
    """Return the number of the setting with the fewest wrong answers, both kinds in shares of what there was."""

    def badness(number: int) -> float:
        own = [o for o in rows if o.setting == number]
        bad, good = wrong(own), right(own)
        lost = 1 - count(bad, "detected") / max(len(bad), 1)
        return lost + 1 - count(good, "passed") / max(len(good), 1)

    return min(range(len(peer.grid) + 1), key=badness)


def by_family(counted: Rows) -> str:
    """Return one line for each family."""
    header = ["family", "parameters", "wrong", "detected", "plain: detected", "plain: inconclusive"]
    header += ["right", "false alarms", "plain: false alarms"]
    lines = []
    for family in FAMILIES:
        rows = [o for o in counted if o.family == family]
        if not rows:
            continue
        own, plain = ([o for o in rows if o.checker == name] for name in (FASTCHECK, PLAIN))
        line: list[object] = [
            family,
            f"{rows[0].parameters:,}",
            len(wrong(own)),
            count(wrong(own), "detected"),
        ]
        line += [count(wrong(plain), "detected"), count(wrong(plain), "inconclusive")]
        lines.append([*line, len(right(own)), false_alarms(own), false_alarms(plain)])
    return table(header, lines)


def by_mistake(counted: Rows, same: Rows, peers: Sequence[Peer]) -> str:
    """Return one line for each mistake, in groups."""
    own, others = tally(counted), tally(same)
    asked = [peer for peer in peers if any(name == peer.name for _, name, _ in others)]
    header = ["mistake", "cases", "fastcheck", "plain", *(short(peer) for peer in asked)]
    lines: list[list[object]] = []
    group = ""
    for mistake in MISTAKES:
        name = mistake.name
        cases = own[name, FASTCHECK, "asked"]
        if not cases:
            continue
        if mistake.group != group:
            group = mistake.group
            lines.append([f"**{group}**", *[""] * (len(header) - 1)])
        line: list[object] = [name, cases, own[name, FASTCHECK, "detected"], own[name, PLAIN, "detected"]]
        for peer in asked:
            whole = others[name, peer.name, "asked"]
            line.append(f"{100 * others[name, peer.name, 'detected'] / whole:.0f}" if whole else "–")
        lines.append(line)
    return table(header, lines)


def tally(rows: Rows) -> Counter[tuple[str | None, str, str]]:
    """Return how often each mistake was put to each checker at its defaults ("asked"), and what was said."""
    first = [o for o in rows if o.setting == 0]
    said = Counter((o.mistake, o.checker, o.said) for o in first)
    return said + Counter((o.mistake, o.checker, "asked") for o in first)


def short(peer: Peer) -> str:
    """Return a name that fits a column."""
    return {"numpy": "course"}.get(peer.package, peer.package) + (" fast" if "fast" in peer.name else "")
