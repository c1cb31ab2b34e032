"""`agent-tools eval ...`: one command for each number that README shows.

Knows flags and where a report goes. What is measured lies in the other modules, loaded when a command runs: importing
this one costs the server's start nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from agent_tools.errors import InvalidArgument

eval_app = typer.Typer(
    name="eval", help="Measure: each command prints its tables, and its progress on stderr.", no_args_is_help=True
)

Seed = Annotated[int, typer.Option("--seed", help="decides everything that is drawn")]
Json = Annotated[Path | None, typer.Option("--json", help="also write the numbers here")]
Data = Annotated[
    Path | None, typer.Option("--data", help="folder with a MANIFEST.json; without it the checkout's test videos")
]


# Of the benchmarks that a model answers:
Asked = Annotated[Path, typer.Option("--data", help="the benchmark's own file, or the folder of its release")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="URL#name of an OpenAI-compatible model, key by AGENT_TOOLS_ENDPOINT_KEY; without it the baselines alone",
    ),
]
Films = Annotated[Path | None, typer.Option("--videos", help="folder of the videos; default: beside the data")]
Out = Annotated[Path | None, typer.Option("--out", help="folder of the run; given again, the run goes on")]
Memory = Annotated[Path | None, typer.Option("--home", help="memory to use; default: the run's own")]
Only = Annotated[str, typer.Option("--only", help="one task, or one group of them")]
Limit = Annotated[int, typer.Option("--limit", help="the first so many questions; 0: all", min=0)]
Present = Annotated[bool, typer.Option("--present", help="leave out questions whose video is not there")]
Blind = Annotated[bool, typer.Option("--blind/--no-blind", help="also ask the model without the video")]
Pictures = Annotated[bool, typer.Option("--pictures/--no-pictures", help="--no-pictures: for a model that sees none")]
Calls = Annotated[int, typer.Option("--calls", help="tool calls a question, at most", min=0)]
MostTokens = Annotated[
    int, typer.Option("--tokens", help="tokens a question, at most; then an answer is asked for", min=1)
]
AnswerTokens = Annotated[int, typer.Option("--answer-tokens", help="tokens of one answer of the model", min=1)]
PriceIn = Annotated[float, typer.Option("--price-in", help="of a million tokens sent; 0: unknown", min=0)]
PriceOut = Annotated[float, typer.Option("--price-out", help="of a million tokens written; 0: unknown", min=0)]
Profile = Annotated[str, typer.Option("--profile", help="of the server: lite, standard or full")]


@eval_app.command("memaug-tiny")
def memaug_tiny(
    seed: Seed = 0,
    steps: Annotated[int, typer.Option("--steps", help="of training, each model", min=1)] = 700,
    json_path: Json = None,
) -> None:
    """Train a small MemAug and ask it about frames it no longer has, with and without its repository: 35 seconds."""
    from agent_tools.evals.tiny.memaug import markdown, run

    _tables(run(seed, steps, _progress), markdown, json_path)


@eval_app.command("grounding-tiny")
def grounding_tiny(seed: Seed = 0, json_path: Json = None) -> None:
    """ReVisionLLM's four claims, each with its number, by tiny networks trained on drawn features: two minutes."""
    from agent_tools.evals.tiny.grounding import markdown, run

    _tables(run(seed, _progress), markdown, json_path)


@eval_app.command()
def compression(
    data: Data = None,
    encoder: Annotated[
        str, typer.Option("--encoder", help="descriptor, raw-pixels, gradients, or a model's folder")
    ] = ("descriptor"),
    context: Annotated[int, typer.Option("--context", help="tokens that the kept frames may take")] = 50_000,
    json_path: Json = None,
) -> None:
    """What each step of compression saves on real clips, and what it loses."""
    from agent_tools.evals.compression.compression import compression as measure
    from agent_tools.evals.compression.tables import markdown

    _tables(measure(data, encoder, context, _progress), markdown, json_path)


@eval_app.command()
def compare(
    encoders: Annotated[
        list[str] | None,
        typer.Argument(
            help="descriptor, raw-pixels, gradients, or models' folders; without any the first two",
            metavar="ENCODER...",
        ),
    ] = None,
    data: Data = None,
    film: Annotated[
        Path | None, typer.Option("--film", help="compare memories on this film, a truth.json beside it, instead")
    ] = None,
    home: Annotated[Path | None, typer.Option("--home", help="with --film: where it is or will be ingested")] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions", help="with --film: in the form of the checkout's tests/retrieval/questions.json, the default"
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="also draw what is seen against tokens, as PNG")] = None,
    json_path: Json = None,
) -> None:
    """Frame encoders as judges of redundancy and samplers at equal budgets: what is still seen. With --film: what is
    shown of a long film, with memory and without, at equal tokens."""
    if film is not None:
        from agent_tools.evals.retrieval.memories import compare_memories
        from agent_tools.evals.retrieval.memories_tables import draw_memories, memories_markdown

        if home is None or encoders:
            raise InvalidArgument("--film needs --home, a data folder, and no ENCODER: memories are compared there.")
        report = compare_memories(film, home, questions, _progress)
        _tables(report, memories_markdown, json_path)
        if plot is not None:
            draw_memories(report, plot)
        return
    from agent_tools.evals.compression.encoders import compare as measure
    from agent_tools.evals.compression.tables import markdown

    report = measure(encoders or ("descriptor", "raw-pixels"), data, _progress)
    _tables(report, markdown, json_path)
    if plot is not None:
        from agent_tools.evals.compression.recall_plot import draw_recall

        draw_recall(report, plot)


@eval_app.command()
def zoom(
    data: Data = None,
    home: Annotated[Path | None, typer.Option("--home", help="keep the ingested clips here")] = None,
    frames: Annotated[int, typer.Option("--frames", help="at most so many a look, 1 to 16")] = 4,
    json_path: Json = None,
) -> None:
    """What zoom_segment shows of whole clips with a few frames, beside as many at even distances."""
    from agent_tools.evals.compression.zoom import markdown, run_close_up

    _tables(run_close_up(data, home, frames, _progress), markdown, json_path)


@eval_app.command()
def grounding(
    truth: Annotated[Path, typer.Argument(help="events with their spans: simple, MAD or VidChapters form")],
    home: Annotated[
        Path | None, typer.Option("--home", help="data folder whose videos are asked; else your own")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="lite, standard or full")] = "lite",
    released: Annotated[
        bool, typer.Option("--timestamps", help="judge MAD by `timestamps`, as ReVisionLLM, not by `ext_timestamps`")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="folder for the report, every answer and a plot")] = None,
    json_path: Json = None,
) -> None:
    """Ask ground_event each event of a truth file: recall, verdicts, and whether confidences mean what they say."""
    from agent_tools.evals.grounding.grounding import markdown, run_grounding
    from agent_tools.settings import Settings

    times: Literal["ext_timestamps", "timestamps"] = "timestamps" if released else "ext_timestamps"
    own = Settings.load(home=home)
    report = run_grounding(truth, own.home, out, profile=profile, models=own.models, mad_times=times, tell=_progress)
    _tables(report, markdown, json_path)


@eval_app.command()
def calibrate(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="folder with filler.txt and edge/subtitles; without it the checkout's test videos"),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder; without it, over those that ship")] = None,
    date: Annotated[str, typer.Option("--date", help="ISO day for the report; without it, today")] = "",
    seed: Seed = 0,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="your own events, as for eval grounding: fit your models on your videos"),
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="with --truth: data folder with these videos; else your own")
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="with --truth: lite, standard or full")] = None,
) -> None:
    """Fit lite's calibrations on labelled queries, or with --truth your own models'; write them with their reports."""
    if truth is not None:
        from agent_tools.evals.grounding.calibration import fit_own
        from agent_tools.settings import Settings

        own = fit_own(Settings.load(home=home, profile=profile), truth, date=date, tell=_progress)
        for file, made in own.items():
            error = made.report.ece_after
            typer.echo(f"{file}: n {made.report.n}, ECE {error.value:.3f} ({error.low:.3f} to {error.high:.3f})")
        return
    from agent_tools.evals.films.real_clips import default_folder
    from agent_tools.evals.grounding.calibration import SHIPPED, fit_lite

    folder = out or SHIPPED
    fitted = fit_lite(folder, videos=data or default_folder(), date=date, seed=seed, tell=_progress)
    for name in fitted:
        typer.echo(f"{folder / name}.lite.json")


@eval_app.command()
def needles(
    lengths: Annotated[str, typer.Option("--lengths", help="frames at 1 fps, separated by commas")] = "1000,10000",
    depths: Annotated[str, typer.Option("--depths", help="of the final frame, 0..1")] = "0.1,0.5,0.9",
    seeds: Annotated[str, typer.Option("--seeds", help="one chain for each seed and depth")] = "0,1,2",
    hops: Annotated[int, typer.Option("--hops", help="steps to the final frame, 1 to 6")] = 3,
    quick: Annotated[bool, typer.Option("--quick", help="200 frames, one depth, one seed")] = False,
    grid: Annotated[bool, typer.Option("--grid", help="the full grid: 1,000 to 10,000 frames, five depths")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="keep videos and memory here")] = None,
    items: Annotated[
        Path | None, typer.Option("--items", help="a file like niah-coco-multihop-100.json: what guessing gets on it")
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="with --items: its pictures, put into --video")
    ] = None,
    video: Annotated[Path | None, typer.Option("--video", help="with --images: the haystack to write")] = None,
    haystack: Annotated[
        Path | None, typer.Option("--haystack", help="with --images: your own instead of a drawn")
    ] = None,
    json_path: Json = None,
) -> None:
    """Multi-hop needles in a haystack, followed through MCP by an agent without any model."""
    from agent_tools.evals.needles import needles as work

    if items is not None:
        from agent_tools.evals.needles.items import read_items

        held = read_items(items)
        typer.echo(work.guessing(held, _numbers(seeds)))
        if images is not None:
            if video is None:
                raise InvalidArgument("--images needs --video: the haystack to write.")
            _write(work.splice(held, images, video, _numbers(lengths)[0], haystack=haystack), json_path)
        return
    asked: dict[str, Any] = {
        "lengths": _numbers(lengths),
        "depths": [_number(text, float) for text in depths.split(",")],
        "seeds": _numbers(seeds),
    }
    if grid:
        asked |= {"lengths": range(1_000, 10_001, 1_000), "depths": (0.0, 0.25, 0.5, 0.75, 1.0)}
    if quick:
        asked = {"lengths": (200,), "depths": (0.5,), "seeds": (0,)}
    _tables(work.run_needles(**asked, hops=hops, home=home, out=_progress), work.markdown, json_path)


@eval_app.command()
def reasoning(
    seed: Seed = 0,
    minutes: Annotated[int, typer.Option("--minutes", help="of the drawn film; shorter ones leave out long gaps")] = 60,
    each: Annotated[int, typer.Option("--each", help="questions of a kind and gap, at most")] = 4,
    home: Annotated[Path | None, typer.Option("--home", help="keep the drawn film and its memory here")] = None,
    film: Annotated[Path | None, typer.Option("--film", help="also ask about this film of real clips")] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="with --film: what it holds; else truth.json beside it")
    ] = None,
    film_home: Annotated[
        Path | None, typer.Option("--film-home", help="data folder in which --film is ingested already")
    ] = None,
    json_path: Json = None,
) -> None:
    """Order, count, between, first after, before or not at all, never in between, never: answered by times that an
    agent without any model finds through MCP."""
    from agent_tools.evals.reasoning.reasoning import markdown, run_reasoning

    report = run_reasoning(seed, 60 * minutes, each, home, film, truth, film_home, _progress)
    _tables(report, markdown, json_path)


@eval_app.command()
def retrieval(
    films: Annotated[
        list[Path] | None, typer.Argument(help="films of real clips, a truth.json beside each", metavar="FILM...")
    ] = None,
    homes: Annotated[
        list[Path] | None,
        typer.Option("--home", help="data folder of a FILM, ingested there or not yet; one for each, in order"),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="in the form of the checkout's tests/retrieval/questions.json, the default"),
    ] = None,
    json_path: Json = None,
) -> None:
    """How well moments are found: retrieve_memory through MCP beside BM25, a sentence encoder, and both ranks added."""
    from agent_tools.evals.retrieval.retrieval import markdown, run_retrieval

    _tables(run_retrieval(films or (), homes or (), questions, _progress), markdown, json_path)


@eval_app.command()
def hourvideo(
    data: Asked,
    model: Model = "",
    videos: Films = None,
    out: Out = None,
    home: Memory = None,
    only: Only = "",
    limit: Limit = 0,
    present: Present = False,
    blind: Blind = True,
    pictures: Pictures = True,
    calls: Calls = 20,
    tokens: MostTokens = 300_000,
    answer_tokens: AnswerTokens = 1_024,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    profile: Profile = "lite",
    json_path: Json = None,
) -> None:
    """HourVideo's questions, answered by a model with this server's tools; predictions see only what comes before."""
    limits = {"calls": calls, "tokens": tokens, "answer_tokens": answer_tokens, "pictures": pictures}
    picked = {"videos": videos, "only": only, "limit": limit, "present": present}
    _benchmark("hourvideo", data, model, out, home, limits, picked, (price_in, price_out), blind, profile, json_path)


@eval_app.command()
def choices(
    form: Annotated[str, typer.Option("--format", help="mlvu, longvideobench, videomme, egoschema, lvbench or niah")],
    data: Asked,
    model: Model = "",
    videos: Films = None,
    subtitles: Annotated[
        Path | None, typer.Option("--subtitles", help="folder of the subtitles that the benchmark gives")
    ] = None,
    out: Out = None,
    home: Memory = None,
    only: Only = "",
    limit: Limit = 0,
    present: Present = False,
    blind: Blind = True,
    pictures: Pictures = True,
    calls: Calls = 20,
    tokens: MostTokens = 300_000,
    answer_tokens: AnswerTokens = 1_024,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    profile: Profile = "lite",
    json_path: Json = None,
) -> None:
    """Another benchmark's multiple-choice questions, answered by a model that has this server's tools."""
    limits = {"calls": calls, "tokens": tokens, "answer_tokens": answer_tokens, "pictures": pictures}
    picked = {"videos": videos, "only": only, "limit": limit, "present": present}
    prices = price_in, price_out
    _benchmark(form, data, model, out, home, limits, picked, prices, blind, profile, json_path, subtitles)


def _benchmark(
    name: str,
    data: Path,
    model: str,
    out: Path | None,
    home: Path | None,
    limits: dict[str, Any],
    picked: dict[str, Any],
    prices: tuple[float, float],
    blind: bool,
    profile: str,
    json_path: Path | None,
    subtitles: Path | None = None,
) -> None:
    import re

    from agent_tools.evals.benchmarks.answerer import Limits
    from agent_tools.evals.benchmarks.run import Run, run_benchmark
    from agent_tools.evals.benchmarks.scores import markdown
    from agent_tools.settings import Settings

    settings = Settings.load(home=home)
    mark = re.sub(r"[^\w.-]+", "-", f"{name}-{model.partition('#')[2]}").strip("-")
    folder = (out or settings.home / "evals" / mark).expanduser().absolute()
    memory = None if home is None else settings.home
    chosen = {"--models": settings.models, "--model-dirs": settings.model_dirs, "--device": (settings.device,)}
    flags = tuple(part for flag, values in chosen.items() for value in values for part in (flag, str(value)))
    source = data.expanduser().absolute()
    run = Run(name, source, folder, Limits(**limits), prices, blind, profile, flags, memory, subtitles)
    _tables(run_benchmark(run, model, key=settings.endpoint_key, **picked, tell=_progress), markdown, json_path)
    if model:
        _progress(f"Each answer and conversation: {run.out}")


def _numbers(text: str) -> list[int]:
    return [_number(part, int) for part in text.split(",")]


def _number(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InvalidArgument(f"{text!r} is no number; give numbers separated by commas.") from None


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _tables(report: dict[str, Any], markdown: Callable[[dict[str, Any]], str], path: Path | None) -> None:
    typer.echo(markdown(report))
    _write(report, path)


def _write(report: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
