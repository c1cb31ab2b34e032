"""`agent-tools eval ...`: one command for each table of measured results.

What is measured stands in the rooms of this package, which are imported when a command runs: importing this module adds
nothing to the server's start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from agent_tools.errors import InvalidArgument
from agent_tools.evals.benchmarks.commands import choices, hourvideo
from agent_tools.evals.needles.commands import needles
from agent_tools.evals.options import Data, Json, Seed, numbers, show_progress, show_report

eval_app = typer.Typer(
    name="eval", help="Measure: each command prints its tables, and its progress on stderr.", no_args_is_help=True
)


@eval_app.command("memaug-tiny")
def memaug_tiny(
    seed: Seed = 0,
    steps: Annotated[int, typer.Option("--steps", help="training steps of each model", min=1)] = 700,
    json_path: Json = None,
) -> None:
    """Train a small MemAug, then ask it about forgotten frames with and without its repository (35 seconds)."""
    from agent_tools.evals.tiny.memaug import markdown, run

    show_report(run(seed, steps, show_progress), markdown, json_path)


@eval_app.command("grounding-tiny")
def grounding_tiny(seed: Seed = 0, json_path: Json = None) -> None:
    """Test ReVisionLLM's four claims with tiny networks that are trained on drawn features (two minutes)."""
    from agent_tools.evals.tiny.grounding import markdown, run

    show_report(run(seed, show_progress), markdown, json_path)


@eval_app.command()
def compression(
    data: Data = None,
    encoder: Annotated[
        str, typer.Option("--encoder", help="descriptor, raw-pixels, gradients, or a model's folder")
    ] = "descriptor",
    context: Annotated[int, typer.Option("--context", help="token budget of the kept frames")] = 50_000,
    json_path: Json = None,
) -> None:
    """Measure what each step of compression saves on real clips, and what it loses."""
    from agent_tools.evals.compression.compression import compression as measure
    from agent_tools.evals.compression.tables import markdown

    show_report(measure(data, encoder, context, show_progress), markdown, json_path)


@eval_app.command()
def compare(
    encoders: Annotated[
        list[str] | None,
        typer.Argument(
            help="descriptor, raw-pixels, gradients, or folders of models; default: the first two",
            metavar="ENCODER...",
        ),
    ] = None,
    data: Data = None,
    film: Annotated[
        Path | None,
        typer.Option("--film", help="compare memories on this film instead; it needs a truth.json beside it"),
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="with --film: data folder in which it is or will be ingested")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions", help="with --film: a file like the checkout's tests/retrieval/questions.json, the default"
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="also draw what is seen against tokens, as a PNG file")
    ] = None,
    json_path: Json = None,
) -> None:
    """Compare frame encoders as judges of redundancy, and samplers at equal budgets: what is still seen. With --film:
    what is shown of a long film at equal tokens, with memory and without."""
    if film is not None:
        from agent_tools.evals.retrieval.memories import compare_memories
        from agent_tools.evals.retrieval.memories_tables import draw_memories, memories_markdown

        if home is None or encoders:
            raise InvalidArgument("--film needs --home, a data folder, and takes no ENCODER: it compares memories.")
        report = compare_memories(film, home, questions, show_progress)
        show_report(report, memories_markdown, json_path)
        if plot is not None:
            draw_memories(report, plot)
        return
    from agent_tools.evals.compression.encoders import compare as measure
    from agent_tools.evals.compression.tables import markdown

    report = measure(encoders or ("descriptor", "raw-pixels"), data, show_progress)
    show_report(report, markdown, json_path)
    if plot is not None:
        from agent_tools.evals.compression.recall_plot import draw_recall

        draw_recall(report, plot)


@eval_app.command()
def zoom(
    data: Data = None,
    home: Annotated[Path | None, typer.Option("--home", help="keep the ingested clips here")] = None,
    frames: Annotated[
        str, typer.Option("--frames", help="most frames per look, 1 to 16, separated by commas")
    ] = "3,4,6",
    json_path: Json = None,
) -> None:
    """Compare the few frames that zoom_segment chooses of a clip with as many frames at even distances."""
    from agent_tools.evals.compression.zoom import markdown, run_close_up

    show_report(run_close_up(data, home, numbers(frames), show_progress), markdown, json_path)


@eval_app.command()
def grounding(
    truth: Annotated[
        Path, typer.Argument(help="events with their spans: the simple format, MAD, VidChapters, or train data's pairs")
    ],
    home: Annotated[
        Path | None, typer.Option("--home", help="data folder whose videos are searched; default: your own")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="lite, standard or full")] = "lite",
    models: Annotated[
        list[str] | None,
        typer.Option("--models", help="role=model that replaces the profile's, as for serve; repeat the flag"),
    ] = None,
    released: Annotated[
        bool,
        typer.Option("--timestamps", help="judge MAD by `timestamps`, as ReVisionLLM does, not by `ext_timestamps`"),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="folder for the report, every answer and a plot")] = None,
    json_path: Json = None,
) -> None:
    """Ask ground_event for each event of a truth file: recall, verdicts, and how well confidences are calibrated."""
    from agent_tools.evals.grounding.grounding import markdown, run_grounding
    from agent_tools.settings import Settings

    times: Literal["ext_timestamps", "timestamps"] = "timestamps" if released else "ext_timestamps"
    own = Settings.load(home=home, models=tuple(models) if models else None)
    report = run_grounding(
        truth, own.home, out, profile=profile, models=own.models, mad_times=times, on_line=show_progress
    )
    show_report(report, markdown, json_path)


@eval_app.command()
def calibrate(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="folder with filler.txt and edge/subtitles; default: the checkout's test videos"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder to write; default: over the calibrations that ship")
    ] = None,
    date: Annotated[str, typer.Option("--date", help="ISO date for the report; default: today")] = "",
    seed: Seed = 0,
    laid: Annotated[
        bool,
        typer.Option("--laid", help="store the films' texts without drawing them (minutes); leaves quoted words out"),
    ] = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="keep the films and their memory in this folder, to fit again")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="your own events, as for eval grounding: fit your models on your videos"),
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="with --truth: data folder with these videos; default: your own")
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="with --truth: lite, standard or full")] = None,
) -> None:
    """Fit lite's calibrations on labelled queries, or with --truth those of your models; write them with a report."""
    if truth is not None:
        from agent_tools.evals.grounding.calibration import fit_own
        from agent_tools.settings import Settings

        own = fit_own(Settings.load(home=home, profile=profile), truth, date=date, on_line=show_progress)
        for file, made in own.items():
            error = made.report.ece_after
            typer.echo(f"{file}: n {made.report.n}, ECE {error.value:.3f} ({error.low:.3f} to {error.high:.3f})")
        return
    from agent_tools.evals.films.real_clips import default_folder
    from agent_tools.evals.grounding.calibration import SHIPPED, fit_lite

    folder = out or SHIPPED
    videos = data or default_folder()
    fitted = fit_lite(folder, videos=videos, kept=keep, laid=laid, date=date, seed=seed, on_line=show_progress)
    for name in fitted:
        typer.echo(f"{folder / name}.lite.json")


@eval_app.command()
def reasoning(
    seed: Seed = 0,
    minutes: Annotated[
        int, typer.Option("--minutes", help="length of the drawn film; a short film has no long gaps")
    ] = 60,
    each: Annotated[int, typer.Option("--each", help="most questions of one kind and gap")] = 4,
    home: Annotated[Path | None, typer.Option("--home", help="keep the drawn film and its memory here")] = None,
    film: Annotated[Path | None, typer.Option("--film", help="also ask about this film of real clips")] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="with --film: what it holds; default: truth.json beside it")
    ] = None,
    film_home: Annotated[
        Path | None, typer.Option("--film-home", help="data folder in which --film is already ingested")
    ] = None,
    json_path: Json = None,
) -> None:
    """Ask about times: order, count, between, first after, before or not at all, never in between, never. A scripted
    agent without a model finds the times through MCP."""
    from agent_tools.evals.reasoning.reasoning import markdown, run_reasoning

    report = run_reasoning(seed, 60 * minutes, each, home, film, truth, film_home, show_progress)
    show_report(report, markdown, json_path)


@eval_app.command()
def retrieval(
    films: Annotated[
        list[Path] | None, typer.Argument(help="films of real clips, with a truth.json beside each", metavar="FILM...")
    ] = None,
    homes: Annotated[
        list[Path] | None,
        typer.Option(
            "--home",
            help="data folder for a FILM, which is ingested there if it is not yet; one for each FILM, in order",
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option("--questions", help="a file like the checkout's tests/retrieval/questions.json, the default"),
    ] = None,
    json_path: Json = None,
) -> None:
    """Compare how well retrieve_memory, BM25, a sentence encoder, and the last two together find moments."""
    from agent_tools.evals.retrieval.retrieval import markdown, run_retrieval

    show_report(run_retrieval(films or (), homes or (), questions, show_progress), markdown, json_path)


for command in (needles, hourvideo, choices):
    eval_app.command()(command)
