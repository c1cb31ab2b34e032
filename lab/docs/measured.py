"""Tables of measured results, out of the files in lab/measured that the measuring programs wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def measured(name: str) -> Any:
    """The numbers that a measuring program wrote to lab/measured/<name>.json."""
    return json.loads((ROOT / "lab" / "measured" / f"{name}.json").read_text(encoding="utf-8"))


def compression_table() -> str:
    """The last runs of `agent-tools eval compression` and `eval compare`."""
    from agent_tools.evals.compression.tables import markdown

    return "\n\n".join(markdown(measured(name)) for name in ("compression", "compare"))


def keep_table() -> str:
    """The last run of `python -m lab.bench.keep --hour --write`."""
    from lab.bench.keep import Row, table

    report = measured("keep")
    judge = f"Judge of likeness: {report['encoder']}. Uniform: as many frames at even distances."
    return f"{judge}\n\n{table([Row(**row) for row in report['rows']])}"


def keep_cost_table() -> str:
    """The last run of `python -m lab.bench.keep_cost --write`."""
    from lab.bench.keep_cost import markdown

    return markdown(measured("keep_cost"))


def reply_tokens_table() -> str:
    """The last run of `python -m lab.bench.reply_tokens HOME --write`."""
    from lab.bench.reply_tokens import markdown

    return markdown(measured("reply_tokens"))


def needles_table() -> str:
    """The last run of `agent-tools eval needles`."""
    from agent_tools.evals.needles.needles import markdown

    return markdown(measured("needles"))


def grounding_table() -> str:
    """The last run of `python -m lab.bench.grounding_hour --clips HOME --write`."""
    from agent_tools.evals.grounding.grounding import side_by_side

    return side_by_side({"clips": measured("grounding")["clips"]})


def grounding_hour_table() -> str:
    """The last run of `python -m lab.bench.grounding_hour --write`: of a film of the clips, with two transcripts."""
    from agent_tools.evals.grounding.grounding import side_by_side

    return side_by_side({name: report for name, report in measured("grounding").items() if name != "clips"})


def near_table() -> str:
    """The last run of `python -m lab.eval near`."""
    from lab.eval.near import markdown

    return markdown(measured("near"))


def unseen_table() -> str:
    """The last run of `python -m lab.eval unseen`."""
    from lab.eval.unseen import markdown

    return markdown(measured("unseen"))


def calibrations_table() -> str:
    """The reports of lite's calibrations that ship: the error on other text sources, by languages."""
    from agent_tools.grounding import Calibrator

    folder = ROOT / "agent_tools" / "service" / "verdicts" / "fitted"
    lines = ["| calibration | event and film | events | ECE on other text sources |", "|---|---|---|---|"]
    for name in ("relevance-curves", "mentions", "named-words"):
        report = Calibrator.from_json((folder / f"{name}.lite.json").read_text(encoding="utf-8")).report
        rows = [(part.name, part.n, part.ece) for part in report.parts] if len(report.parts) > 1 else []
        for group, count, error in [("all", report.n, report.ece_after), *rows]:
            span = f"{error.value:.3f} ({error.low:.3f} to {error.high:.3f})"
            lines.append(f"| {name} | {group} | {count:,} | {span} |")
    return "\n".join(lines)


def grounding_tiny_table() -> str:
    """The last run of `agent-tools eval grounding-tiny`."""
    from agent_tools.evals.tiny.grounding import markdown

    return markdown(measured("grounding_tiny"))


def memaug_tiny_table() -> str:
    """The last run of `agent-tools eval memaug-tiny`."""
    from agent_tools.evals.tiny.memaug import markdown

    return markdown(measured("memaug_tiny"))


def zoom_table() -> str:
    """The last run of `agent-tools eval zoom`."""
    from agent_tools.evals.compression.zoom import markdown

    return markdown(measured("zoom"))


def tiny_world_table() -> str:
    """The last run of `python -m tests.models.tiny_world_table`."""
    from tests.models.tiny_world_table import markdown

    return markdown(measured("tiny_world"))


def agents_table() -> str:
    """The last `python -m lab.agents --report FOLDER ... --write`."""
    from lab.agents.report import markdown

    return markdown(measured("agents"))


def training_table() -> str:
    """The last run of `python -m lab.train`."""
    from lab.train.tables import markdown

    return markdown(measured("training"))


def reasoning_table() -> str:
    """The last run of `agent-tools eval reasoning`."""
    from agent_tools.evals.reasoning.reasoning import markdown

    return markdown(measured("reasoning"))


def retrieval_table() -> str:
    """The last run of `agent-tools eval retrieval`."""
    from agent_tools.evals.retrieval.retrieval import markdown

    return markdown(measured("retrieval"))


def peers_table() -> str:
    """The last runs of `python -m lab.bench.peers ... --write`."""
    from lab.bench.peers import markdown

    return markdown(measured("peers"))


def questions_table() -> str:
    """The last runs of `python -m lab.eval questions HOME --write`."""
    from lab.eval.questions import markdown

    return markdown(measured("questions"))


def memories_table() -> str:
    """The last run of `agent-tools eval compare --film`."""
    from agent_tools.evals.retrieval.memories_tables import memories_markdown

    return memories_markdown(measured("memories"))


def screen_text_table() -> str:
    """The last run of `python -m lab.bench.screen_text VIDEOS_DIR --natural DIR --write`."""
    from lab.bench.screen_text import table

    return table(measured("screen_text"))


def archive_table() -> str:
    """Every tool over SQLite and PostgreSQL side by side, and many clients on two servers."""
    from lab.bench.archive import table

    return table(measured("archive"))


def workers_table() -> str:
    """The last run of `python -m lab.bench.workers`: films a minute by workers, and the fitted loss."""
    from lab.bench.workers import table

    return table(measured("workers"))


def scaling_table() -> str:
    """The last run of `python -m lab.bench.growth`."""
    from lab.bench.growth import table

    return table(measured("scaling"))


def costs_table() -> str:
    """The cost of an hour and of a question, beside published prices of others."""
    from lab.bench.costs import table

    return table()


def install_table() -> str:
    """The last run of `python -m lab.bench.install_size NAME=CHECKOUT... --write`."""
    from lab.bench.install_size import table

    return table(measured("install"))


def bench_table() -> str:
    """The last run of each part of `make bench`."""
    from lab.bench.__main__ import PARTS
    from lab.bench.rows import last, table

    return table(last(), list(PARTS))


def faults_table() -> str:
    """The last runs of `python -m lab.faults`: one row per slice."""
    rows = measured("faults")
    lines = ["| slice | what | tried | survived | seconds | seed, date |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        figures = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row["figures"].items())
        what = row["what"] + (f" ({figures})" if figures else "")
        if row["cases_left"]:
            what += f"; {row['cases_left']} cases not run"
        cells = (
            name,
            what,
            str(row["tried"]),
            str(row["survived"]),
            str(row["seconds"]),
            f"{row['seed']}, {row['date']}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cases_table() -> str:
    """The last runs of `python -m lab.cases`: one row per case, with its command."""
    lines = ["| case | what is right | first try | now | measured | command, date |", "|---|---|---|---|---|---|"]
    for row in measured("cases"):
        command = f"`python -m lab.cases CASES {row['case'].partition('-')[0]}`, {row['date']}"
        cells = (row["case"], row["what"], row["before"], row["now"], row["measured"].replace("|", "/"), command)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def clients_table() -> str:
    """The last run of `python -m lab.clients`: the calls on the wire."""
    rows = measured("clients")
    shown = ("client", "version", "model", "era", "tools", "calls", "errors", "ok")
    lines = [f"| {' | '.join(shown)} |", "|" + "---|" * len(shown)]
    return "\n".join([*lines, *(f"| {' | '.join(row[name] for name in shown)} |" for row in rows)])


def results_table() -> str:
    """The table of the front page: one row for a claim, with the page that holds the whole measurement."""
    rows = ["| measured | result | compared with |", "|---|---|---|"]
    cells = (*_quality(), *_cost())
    rows += [f"| [{what}](docs/evaluation/{page}.md) | {ours} | {others} |" for what, page, ours, others in cells]
    return "\n".join(rows)


def _quality() -> list[tuple[str, str, str, str]]:
    searches, in_hour = (measured("questions")[films] for films in ("clips", "hour"))
    asked, first = searches["retrieve_memory"]["asked"], searches["retrieve_memory"]["first"]
    parts = [f"{first[group]} of {asked[group]} in {group}" for group in asked if group != "all"]
    others = [
        f"{name} {', '.join(str(films[f'{name} over entries']['first']['all']) for films in (searches, in_hour))}"
        for name in ("MiniLM", "BM25")
    ]
    grounding = measured("grounding")["clips"]
    absent, present = grounding["absent"], grounding["present"]
    wrong = grounding["verdicts_of_absent"].get("present", 0)
    called, missed = (grounding["verdicts_of_present"].get(verdict, 0) for verdict in ("present", "absent"))
    longest = max(measured("needles")["lengths"], key=lambda length: length["frames"])
    right = sum(chain["cap"] and chain["qa"] for chain in longest["chains"])
    calls, tokens = (max(chain[name] for chain in longest["chains"]) for name in ("calls", "tokens"))
    films = measured("reasoning")["films"]
    shares = [
        f"{sum(good for row in film['rows'] for good, _ in row['right'].values())} of {film['questions']}"
        for film in films
    ]
    return [
        (
            f"{asked['all']} plain questions about 36 real clips, and about an hour of them: the first hit is right",
            "retrieval",
            f"{first['all']} ({', '.join(parts)}), {in_hour['retrieve_memory']['first']['all']}",
            "; ".join(others),
        ),
        (
            f"{present} events in real clips, each asked of its clip: how many get the verdict present",
            "grounding",
            f"{called} of {present}",
            f"{missed} get the verdict absent; of {absent} events that a clip does not hold, {wrong} get present",
        ),
        (
            f"questions of three steps in {longest['frames']:,} frames",
            "needles",
            f"{right} of {len(longest['chains'])}",
            f"at most {calls} calls, {tokens:,} tokens",
        ),
        (
            "questions about the order of events: a drawn hour, an hour of real clips",
            "reasoning",
            ", ".join(shares),
            "25 to 50 % by chance",
        ),
    ]


def _cost() -> list[tuple[str, str, str, str]]:
    (hour,) = measured("costs")["hours"]
    (dense,) = (film for film in measured("retrieval")["films"] if film["film"] == "dense")
    replies = [row["tokens"] for row in dense["rows"] if row["search"] == "retrieve_memory"]
    search = measured("bench")["retrieval"]["rows"][0]["figures"]
    faults = measured("faults").values()
    install = measured("install")
    return [
        (
            "one hour ingested on one thread, with OCR",
            "cost",
            f"{hour['wall_s'] / 60:.1f} min",
            f"{hour['peak_mb']:,.0f} MB of memory, {hour['store_mb']:.0f} MB on disk; "
            f"installed {install['now']['size_mb']:,} MB (0.1: {install['0.1']['size_mb']:,})",
        ),
        (
            "search of 100 hours of vectors",
            "speed",
            f"{search['nearest']['ms']:.1f} ms",
            f"NumPy {search['product']['ms']:.1f} ms; recall@10 {search['nearest']['recall']:.3f}",
        ),
        (
            "a search that returns five hits",
            "cost",
            f"{sum(replies) / len(replies):,.0f} tokens",
            f"the whole transcript: {dense['dump_tokens']:,} tokens",
        ),
        (
            "injected faults: kills, full disks, hostile files, wrong calls",
            "faults",
            f"{sum(row['survived'] for row in faults):,} survived",
            f"of {sum(row['tried'] for row in faults):,}",
        ),
    ]
