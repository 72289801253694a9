"""The table: on standard output as it is measured, and as RESULTS.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.measure import Result, Row, Run

HEAD: Final = ("measure", "must reach", "measured", "of it", "met", "server", "client", "runs")


def line(result: Result) -> tuple[str, ...]:
    """A row's cells; ``of it`` is how many times what it must reach it reached."""
    row, value = result.row, result.value
    sign = "≥" if row.better == "more" else "≤"
    must = f"{sign} {row.shown(row.must)}"
    if value is None:
        return row.title, must, "–", "–", "void", "", "", "; ".join(_faults(result.runs))
    ratio = value / row.must if row.better == "more" else row.must / value if value > 0 else None
    met = "yes" if result.is_met else "NO"
    return (
        row.title,
        must,
        row.shown(value),
        "–" if ratio is None else f"{ratio:.2f} ×",
        met,
        _share(each.server_share for each in result.counting),
        _share(each.client_share for each in result.counting),
        _runs(result),
    )


def markdown(results: Sequence[Result]) -> str:
    """The product's table."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(line(result) for result in results)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def notes(results: Sequence[Result]) -> str:
    """What else the median runs had to say."""
    told = ((result.row.title, _note(result)) for result in results)
    return "\n".join(f"- {title}: {note}" for title, note in told if note)


def compared(
    rows: Sequence[Row],
    ours: Mapping[str, float],
    peers: Mapping[str, Mapping[str, Result]],
    versions: Mapping[str, str],
) -> str:
    """The peers' table: how many times better Legato is, then the peer's own number and what there is to say of it."""
    head = ["measure", "Legato", *(f"{name} ({versions[name]})" for name in peers)]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [row.title, row.shown(ours[row.key]) if row.key in ours else "–"]
        for results in peers.values():
            result = results.get(row.key)
            value = None if result is None else result.value
            if result is None or value is None or row.key not in ours:
                cells.append("–")
                continue
            ratio = ours[row.key] / value if row.better == "more" else value / ours[row.key]
            told = ", ".join(filter(None, (row.shown(value), _note(result))))
            cells.append(f"**{ratio:.1f} ×** ({told})")
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def aligned(cells: Sequence[str]) -> str:
    """A line for the terminal."""
    widths = (78, 24, 22, 9, 5, 7, 7)
    return " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)) + " " + cells[-1]


def _note(result: Result) -> str:
    """What the median run had to say."""
    value = result.value
    if value is None:
        return ""
    return min(result.counting, key=lambda each: abs(each.value - value)).note


def _share(shares: Iterable[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return f"{statistics.median(known):.0%}" if known else ""


def _runs(result: Result) -> str:
    shown = ", ".join(f"{each.value:,.{result.row.digits}f}" for each in result.counting)
    void = len([each for each in result.runs if each.faults])
    noisy = len([each for each in result.counting if each.is_noisy])
    return shown + (f"; {void} void" if void else "") + ("; disturbed" if noisy else "")


def _faults(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(fault for each in runs for fault in each.faults))
