"""`carousel train [PATHS ...]`: the main job, from text to a trained model and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.cli.loading import STOPPED, loaded
from carousel.cli.options import flag, with_config_options
from carousel.errors import CarouselError
from carousel.training.config import WORDS
from carousel.training.presets import PRESETS

if TYPE_CHECKING:
    from rich.console import Console

    from carousel.training import Config, Run
    from carousel.training.progress import Observer


def register(app: typer.Typer) -> None:
    """Add the command with all options of a training configuration."""
    from carousel.training.config import Config

    app.command()(with_config_options(train, Config))


def train(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders or globs of text.",
            show_default="the source of Python's own standard library",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Options from a YAML file; those given here go before it.", show_default=False),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Options of a publication ({', '.join(PRESETS)}); those given here go before them.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder, exactly.", show_default=False)
    ] = None,
    **options: Any,
) -> None:
    """Train a language model on text, recurrent or time-delay.

    The run folder gets the weights, the vocabulary, the configuration, metrics (CSV and TensorBoard), samples
    and a report.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if paths:
        given["paths"] = paths
    if resume is not None:
        _refuse_beside_resume(given, config, preset)

    settings = _settings(config, preset, given) if resume is None else None
    from rich.console import Console

    from carousel import report, training
    from carousel.cli.display import display

    begin, go_on = training.train, training.resume  # each loads torch when first named
    _ = report.report_run

    loaded()
    console = Console()
    stored = settings or training.RunFolder.open(resume).load_config()
    with display(console, stored.level) as observer:
        try:
            run = begin(settings, observer) if resume is None else go_on(resume, observer)
        except training.Interrupted as stop:
            raise _stopped(str(stop)) from None
        page = _report(run, observer)
    _close(console, run, page)


def _settings(path: Path | None, preset: str | None, given: dict[str, Any]) -> Config:
    """The options of the YAML file or the preset, or the defaults, under those given on the command line."""
    from carousel.training.config import LENGTHS, Config

    lengths = [flag(name) for name in LENGTHS if name in given]
    if len(lengths) > 1:
        raise CarouselError(f"a run has one length: give {' or '.join(lengths)}, not both.")
    if path and preset:
        raise CarouselError(
            f"--config and --preset both say where options come from; got {path} and {preset}. Give one of the two."
        )
    if preset:
        return Config.preset(preset, **given)
    return (Config.load(path) if path else Config()).override(**given)


def _refuse_beside_resume(given: dict[str, Any], config: Path | None, preset: str | None) -> None:
    """A run goes on as it began, or it would not be that run."""
    named = ["PATHS" if name == "paths" else flag(name) for name in given]
    named += [name for name, value in (("--config", config), ("--preset", preset)) if value]
    if named:
        raise CarouselError(
            f"--resume goes on with the options that are stored in the run; got {', '.join(named)} as well. "
            "Leave them out, or start a new run without --resume."
        )


def _report(run: Run, observer: Observer) -> Path:
    """Write the report, unless it is there: it is written last, so that it says all there is to say."""
    from carousel.report import report_run
    from carousel.training import RunFolder

    written = RunFolder(run.path).report
    if written.exists():
        return written
    try:
        return report_run(run.path, observer)
    except KeyboardInterrupt:
        raise _stopped(
            f"the run is finished and saved, but its report is not written. "
            f"Write it with: carousel train --resume {run.path}"
        ) from None


def _stopped(message: str) -> typer.Exit:
    """Ctrl-C is no mistake: say what to do next and end as a stopped process does."""
    typer.echo(f"carousel: {message}", err=True)
    return typer.Exit(STOPPED)


def _close(console: Console, run: Run, report: Path) -> None:
    """Say how it ended, where everything lies and what to do next."""
    sample = run.path / "samples.txt"
    lines = [
        "",
        f"{_result(run)}; best weights of step {run.best_step:,} of {run.step:,}",
        "",
        f"  run folder   {run.path}",
        f"  report       {report}",
        f"  samples      {sample}",
        "",
        "What to do next:",
        f"  carousel generate {run.path} --length 500",
        f"  carousel evaluate {run.path} YOUR_TEXT.txt --lines",
        f"  tensorboard --logdir {run.path}",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


def _result(run: Run) -> str:
    """The score of the test files, first by what says most at the level of the run."""
    score = run.test
    bits = f"{score.bits_per_character:.3f} bits per character"
    perplexity = f"perplexity {score.perplexity:.1f}"
    if run.config.level in WORDS:
        return f"[bold]{perplexity}[/] per token on the test files, {bits}"
    if run.config.level == "char":
        return f"[bold]{bits}[/] on the test files, {score.nats_per_token:.4f} nats per token"
    return f"[bold]{bits}[/] on the test files, {perplexity} per token"
