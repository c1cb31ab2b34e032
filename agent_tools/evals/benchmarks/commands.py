"""`agent-tools eval hourvideo` and `eval choices`: a model with this server's tools answers published benchmarks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from agent_tools.evals.options import Json, show_progress, show_report
from agent_tools.home import HomeFolder
from agent_tools.options import with_options


@dataclass(frozen=True, kw_only=True)
class BenchmarkRequest:
    """The options of a benchmark command."""

    data: Annotated[Path, typer.Option("--data", help="the benchmark's own file, or the folder of its release")]
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="URL#name of an OpenAI-compatible model, key by AGENT_TOOLS_ENDPOINT_KEY; default: only the baselines",
        ),
    ] = ""
    videos: Annotated[Path | None, typer.Option("--videos", help="folder of the videos; default: beside the data")] = (
        None
    )
    out: Annotated[
        Path | None, typer.Option("--out", help="folder of the run; with the same folder a stopped run continues")
    ] = None
    home: Annotated[Path | None, typer.Option("--home", help="data folder to use; default: the run's own")] = None
    only: Annotated[str, typer.Option("--only", help="ask only this task, or this group of tasks")] = ""
    limit: Annotated[int, typer.Option("--limit", help="ask only the first N questions; 0: all", min=0)] = 0
    present: Annotated[bool, typer.Option("--present", help="leave out questions whose video is not there")] = False
    blind: Annotated[bool, typer.Option("--blind/--no-blind", help="also ask the model without the video")] = True
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="--no-pictures: for a model that cannot see pictures")
    ] = True
    calls: Annotated[int, typer.Option("--calls", help="most tool calls per question", min=0)] = 20
    tokens: Annotated[
        int, typer.Option("--tokens", help="most tokens per question; then the model must answer", min=1)
    ] = 300_000
    answer_tokens: Annotated[
        int, typer.Option("--answer-tokens", help="most tokens in one answer of the model", min=1)
    ] = 1_024
    timeout: Annotated[
        float, typer.Option("--timeout", help="seconds to wait for one answer of the model; tried twice", min=1)
    ] = 300.0
    price_in: Annotated[float, typer.Option("--price-in", help="price of a million tokens sent; 0: unknown", min=0)] = (
        0.0
    )
    price_out: Annotated[
        float, typer.Option("--price-out", help="price of a million tokens written; 0: unknown", min=0)
    ] = 0.0
    judge: Annotated[
        list[str] | None,
        typer.Option("--judge", help="URL#name of a model that judges answers in words; name it once or three times"),
    ] = None
    profile: Annotated[str, typer.Option("--profile", help="of the server: lite, standard or full")] = "lite"
    json_path: Json = None


@dataclass(frozen=True, kw_only=True)
class ChoicesRequest(BenchmarkRequest):
    """The options of `eval choices`, which reads several formats."""

    form: Annotated[
        str,
        typer.Option(
            "--format", help="mlvu, longvideobench, videomme, egoschema, lvbench, niah, egolife or longvidsearch"
        ),
    ]
    subtitles: Annotated[
        Path | None, typer.Option("--subtitles", help="folder of the subtitles that come with the benchmark")
    ] = None


@with_options(BenchmarkRequest)
def hourvideo(request: BenchmarkRequest) -> None:
    """Let a model with this server's tools answer HourVideo; prediction questions see only the video before."""
    _measure("hourvideo", request, None)


@with_options(ChoicesRequest)
def choices(request: ChoicesRequest) -> None:
    """Let a model with this server's tools answer another benchmark's multiple-choice questions."""
    _measure(request.form, request, request.subtitles)


def _measure(benchmark: str, request: BenchmarkRequest, subtitles: Path | None) -> None:
    from agent_tools.evals.benchmarks.answerer import Limits
    from agent_tools.evals.benchmarks.run import Run, run_benchmark
    from agent_tools.evals.benchmarks.scores import markdown
    from agent_tools.settings import Settings

    settings = Settings.load(home=request.home)
    name = re.sub(r"[^\w.-]+", "-", f"{benchmark}-{request.model.partition('#')[2]}").strip("-")
    of_server = {"--models": settings.models, "--model-dirs": settings.model_dirs, "--device": (settings.device,)}
    run = Run(
        benchmark,
        request.data.expanduser().absolute(),
        (request.out or HomeFolder(settings.home).evals / name).expanduser().absolute(),
        Limits(request.calls, request.tokens, request.answer_tokens, request.pictures),
        (request.price_in, request.price_out),
        request.blind,
        request.profile,
        tuple(part for flag, values in of_server.items() for value in values for part in (flag, str(value))),
        None if request.home is None else settings.home,
        subtitles,
    )
    report = run_benchmark(
        run,
        request.model,
        key=settings.endpoint_key,
        videos=request.videos,
        only=request.only,
        limit=request.limit,
        present=request.present,
        answer_s=request.timeout,
        judges=request.judge or (),
        on_line=show_progress,
    )
    show_report(report, markdown, request.json_path)
    if request.model:
        show_progress(f"Each answer and conversation: {run.out}")
