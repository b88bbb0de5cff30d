"""Put a stored run into tables: `python -m benchmarks.summary RUN.json > RESULT.md`.

The run is what pytest-benchmark stored. Each group is a table in the order in which it was
measured; where messages have a cost, it is also given as a multiple of that in the group's first
row, for medians and for the rounds that were disturbed least.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_COMPARED = (", median", ", min")
_MS_PER_SECOND = 1_000


def tables(run: dict[str, Any]) -> str:
    """The run as Markdown. Raises KeyError if it is not what `make bench` stores."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in run["benchmarks"]:
        module = Path(result["fullname"].partition("::")[0]).stem
        groups.setdefault(result["group"] or module, []).append(result)
    parts = [_heading(run), *(_table(group, results) for group, results in groups.items())]
    return "\n\n".join(parts) + "\n"


def _heading(run: dict[str, Any]) -> str:
    machine, commit = run["machine_info"], run["commit_info"]
    edited = " with changes" if commit.get("dirty") else ""
    load = [
        ", ".join(f"{average:.2f}" for average in run[moment]["load_averages"])
        for moment in ("at_start", "at_end")
    ]
    lines = [
        f"# Measured on {run['datetime'][:10]}",
        f"Commit {str(commit.get('id'))[:10]}{edited}. {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python_version']}.",
        f"Load averages over 1, 5 and 15 minutes: {load[0]} before, {load[1]} after. "
        f"Niceness {machine['niceness']}.",
    ]
    return "\n\n".join(lines)


def _table(group: str, results: list[dict[str, Any]]) -> str:
    extras = list(dict.fromkeys(name for result in results for name in result["extra_info"]))
    costs = [name for name in extras if name.endswith(_COMPARED)]
    head = ["case", "rounds", "ms a round: median", "quartiles", *extras]
    head += [f"times the first{cost[cost.rindex(',') :]}" for cost in costs]
    rows = [head, ["---"] * len(head)]
    for result in results:
        stats, extra = result["stats"], result["extra_info"]
        quartiles = f"{_ms(stats['q1'])} to {_ms(stats['q3'])}"
        row = [_case(result), str(stats["rounds"]), _ms(stats["median"]), quartiles]
        row += [str(extra.get(name, "")) for name in extras]
        for cost in costs:
            first = results[0]["extra_info"].get(cost)
            row.append(f"{extra[cost] / first:.2f}" if first and cost in extra else "")
        rows.append(row)
    return f"## {group}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _case(result: dict[str, Any]) -> str:
    """The test's name without what all tests share, and without bars, which would end a cell."""
    return str(result["name"]).removeprefix("test_").replace("|", "/")


def _ms(seconds: float) -> str:
    return f"{seconds * _MS_PER_SECOND:,.3f}"


def main(arguments: list[str]) -> int:
    """Print the tables of the run named on the command line."""
    if len(arguments) != 1:
        print("usage: python -m benchmarks.summary RUN.json", file=sys.stderr)
        return 2
    try:
        print(tables(json.loads(Path(arguments[0]).read_text("utf-8"))), end="")
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks.summary: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
