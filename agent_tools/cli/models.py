"""The commands models list and models pull: what each profile needs, what is here, and how to get the rest."""

from __future__ import annotations

from typing import Annotated

import typer

from agent_tools.cli.flags import ModelDirs, Models
from agent_tools.settings import Settings

models_app = typer.Typer(
    help="The models of each profile: what is here, and how to get the rest.", no_args_is_help=True
)


@models_app.command("list")
def models_list(models: Models = None, model_dirs: ModelDirs = None) -> None:
    """Show for each profile the models it needs, their size and licence, and whether they are here."""
    from agent_tools.ingestion.model_choice import model_settings
    from agent_tools.models.hub.catalogue import OPTIONAL, PROFILES, Profile, listing, megabytes, missing, pulled_commit
    from agent_tools.models.profiles import pull_command, resolve

    settings = Settings.load(models=tuple(models or ()), model_dirs=tuple(model_dirs or ()))
    auto = resolve(model_settings(settings, "auto")).name
    for name in PROFILES:
        chosen = model_settings(settings, name)
        profile = resolve(chosen)
        absent = missing(profile, chosen.searched)
        summary = "all here"
        if absent:
            total = sum(model.size_bytes for model in absent if model.from_hub)
            pull = f"; {megabytes(total)}: {pull_command(chosen, profile)}" if total else ""
            summary = f"{len(absent)} not here{pull}"
        typer.echo(f"{name} ({summary}{'; what auto means now' if name == auto else ''})")
        for model, state in listing(profile, chosen.searched):
            size = megabytes(model.size_bytes) if model.size_bytes else "-"
            commit = pulled_commit(model, chosen.searched) if state == "on this machine" else None
            at = f"@{commit[:8]}" if commit else ""
            typer.echo(f"  {model.role:<12} {state:<16} {size:>8}  {model.licence:<12} {model.name}{at}")
    typer.echo("in no profile of itself")
    for model, state in listing(Profile("", OPTIONAL), ()):
        size = megabytes(model.size_bytes)
        typer.echo(f"  {model.role:<12} {state:<16} {size:>8}  {model.licence:<12} --models {model.role}={model.name}")
        if state == "not here":
            typer.echo(f"  {'':<12} {model.remedy}")
    typer.echo(f"Looked in {', '.join(map(str, model_settings(settings).searched))}.")


@models_app.command("pull")
def models_pull(
    profile: Annotated[str, typer.Argument(help="standard or full")],
    models: Models = None,
    model_dirs: ModelDirs = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask before downloading")] = False,
) -> None:
    """Download a profile's missing models into the Hugging Face cache, after showing their size."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from agent_tools.ingestion.model_choice import model_settings
    from agent_tools.models.hub.catalogue import megabytes
    from agent_tools.models.hub.download import plan, pull
    from agent_tools.models.hub.folders import cache_folder
    from agent_tools.models.profiles import resolve

    settings = Settings.load(models=tuple(models or ()), model_dirs=tuple(model_dirs or ()))
    chosen = model_settings(settings, profile)
    plans = plan(resolve(chosen), cache_folder(), folders=chosen.searched)
    for one in plans:
        typer.echo(one.described, err=True)
    if not plans:
        typer.echo(f"All models of {profile} are here.")
        return
    total = sum(one.to_get_bytes for one in plans)
    if total and not yes and not typer.confirm(f"Download {megabytes(total)}?", err=True):
        raise typer.Exit(1)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        folders = pull(
            plans,
            cache_folder(),
            lambda name, done, all_: bar.update(task, description=name, completed=done, total=all_),
        )
    for folder in folders:
        typer.echo(str(folder))
