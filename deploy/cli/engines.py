"""`./atelier engines …`: the heavy engines' packages."""

import time

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="The packages of the film and sound tools.")
console = Console(highlight=False)


@app.callback()
def engines() -> None:
    """Keeps `install` a verb of its own while it is the only one."""


@app.command()
def install() -> None:
    """Install them now; `./atelier up` does so behind the running platform."""
    from deploy.engines.install import InstallFailed, install  # noqa: PLC0415
    from services.jobs.engines import extras  # noqa: PLC0415

    began = time.monotonic()
    try:
        with console.status("Installing the engines' packages"):
            done = install()
    except InstallFailed as failure:
        console.print(f"[red]The engines' packages could not be installed. The installer said:[/red]\n{failure}")
        raise typer.Exit(1) from failure
    took = f"installed in {time.monotonic() - began:.0f} s" if done else "up to date"
    console.print(f"The engines' packages are {took}: {extras.folder()}")
