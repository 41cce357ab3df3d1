"""The command line: one verb for each need, nothing imported before its verb runs."""

import typer

from deploy.cli import accounts, billing, bus, develop, engines, jobs, run

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help=__doc__)

run.register(app)
develop.register(app)
app.add_typer(bus.app, name="bus")
app.add_typer(accounts.app, name="admin")
app.add_typer(billing.app, name="billing")
app.add_typer(jobs.app, name="jobs")
app.add_typer(engines.app, name="engines")


if __name__ == "__main__":
    app(prog_name="./atelier")
