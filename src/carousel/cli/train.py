"""`carousel train [PATHS ...]`: the main job, from text to a trained model and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carousel.cli.early_interrupt import STOPPED, check_files, loaded
from carousel.cli.options import flag, with_config_options
from carousel.cli.output import say
from carousel.errors import CarouselError
from carousel.options import check_names
from carousel.training.language.presets import PRESETS

if TYPE_CHECKING:
    from carousel.terminal import Terminal
    from carousel.training import Run
    from carousel.training.configs import AnyConfig


def register(app: typer.Typer) -> None:
    """Add the command with all options of a training configuration."""
    from carousel.training.language.config import LanguageConfig
    from carousel.training.sequences.config import SequenceConfig

    app.command()(with_config_options(train, LanguageConfig, SequenceConfig))


def train(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders or globs of text, packed or not, or - for standard input; with --task a CSV file.",
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
    """Train a language model on text, recurrent or time-delay; with --task a model of sequences in a CSV file.

    The run folder gets the weights, the vocabulary, the configuration, metrics (CSV and TensorBoard), samples
    and a report.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if paths:
        given["paths"] = paths
    if resume is not None:
        _refuse_beside_resume(given, config, preset)

    from carousel.training.run.folder import RunFolder

    # told before torch is loaded, which takes seconds
    settings = _settings(config, preset, given) if resume is None else RunFolder.open(resume).load_config()
    if resume is None:
        _check_paths(settings)
    from carousel import report, training
    from carousel.display import display
    from carousel.terminal import Terminal

    begin, go_on = report.train, report.resume  # each loads torch when first named

    loaded()
    console = Terminal()
    with display(console) as observer:
        try:
            run = (
                begin(config=settings, on_progress=observer)
                if resume is None
                else go_on(resume, on_progress=observer)
            )
        except training.Interrupted as stop:  # no mistake: it ends as a stopped process does
            say(f"carousel: {stop}", err=True)
            raise typer.Exit(STOPPED) from None
    _close(console, run)


def _settings(path: Path | None, preset: str | None, given: dict[str, Any]) -> AnyConfig:
    """The options of the YAML file or the preset, or the defaults, under those given on the command line."""
    from carousel.training.configs import kind_of, read_config
    from carousel.training.language.config import LanguageConfig
    from carousel.training.language.warm_start import warm_start_config
    from carousel.training.loop.config import LENGTHS

    lengths = [flag(name) for name in LENGTHS if name in given]
    if len(lengths) > 1:
        raise CarouselError(f"a run has one length: give {' or '.join(lengths)}, not both.")
    origins = {"--config": path, "--preset": preset, "--from": given.get("from_")}
    named = [f"{name} {value}" for name, value in origins.items() if value]
    if len(named) > 1:
        raise CarouselError(f"options come from one place; got {' and '.join(named)}. Give one of them.")
    if preset:
        _refuse_foreign(given, LanguageConfig)
        return LanguageConfig.preset(preset, **given)
    if "from_" in given:
        _refuse_foreign(given, LanguageConfig)
        return warm_start_config(given.pop("from_"), **given)
    settings = read_config(path) if path else kind_of(given)()
    _refuse_foreign(given, type(settings))
    return settings.override(**given)


def _check_paths(settings: AnyConfig) -> None:
    """Raise CarouselError for data that is not there, or a run folder that is."""
    from carousel.data.part_names import find_parts
    from carousel.training.language.config import LanguageConfig
    from carousel.training.run.folder import RunFolder

    RunFolder.check_free(settings.out)
    if isinstance(settings, LanguageConfig):
        find_parts(**settings.sources)
    else:
        check_files(*settings.paths, settings.test_file)


def _refuse_foreign(given: dict[str, Any], kind: type[AnyConfig]) -> None:
    """An option of language models has no meaning for sequences in a CSV file, nor the other way round."""
    from carousel.training.language.config import LanguageConfig

    for name in given:
        try:
            check_names([name], kind)
        except CarouselError:
            raise CarouselError(
                f"{flag(name)} is an option of sequences in a CSV file; choose one by --task, or leave it out."
                if kind is LanguageConfig
                else f"{flag(name)} is an option of language models; leave it out of sequences in a CSV file."
            ) from None


def _refuse_beside_resume(given: dict[str, Any], config: Path | None, preset: str | None) -> None:
    """A run goes on as it began, or it would not be that run."""
    named = ["PATHS" if name == "paths" else flag(name) for name in given]
    named += [name for name, value in (("--config", config), ("--preset", preset)) if value]
    if named:
        raise CarouselError(
            f"--resume goes on with the options that are stored in the run; got {', '.join(named)} as well. "
            "Leave them out, or start a new run without --resume."
        )


def _close(console: Terminal, run: Run) -> None:
    """Say how it ended, where everything lies and what to do next."""
    from carousel.training.run.folder import RunFolder
    from carousel.training.sequences.config import SequenceConfig

    of_text = not isinstance(run.config, SequenceConfig)
    samples = [f"  samples      {run.path / 'samples.txt'}"] if of_text else []
    use = (
        [
            f"  carousel generate {run.path} --length 500",
            f"  carousel evaluate {run.path} YOUR_TEXT.txt --lines",
        ]
        if of_text
        else [f"  carousel predict {run.path} NEW.csv", f"  carousel diagnose {run.path}"]
    )
    lines = [
        "",
        f"test part: {run.test}; best weights of step {run.best_step:,} of {run.step:,}",
        "",
        f"  run folder   {run.path}",
        f"  report       {run.report}",
        *samples,
        "",
        "What to do next:",
        *use,
        *([f"  tensorboard --logdir {run.path}"] if RunFolder(run.path).events else []),
    ]
    console.print("\n".join(lines), soft_wrap=True)
