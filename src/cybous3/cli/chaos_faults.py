"""`cybs3 chaos faults` and `cybs3 chaos scenarios`: what there is, and what this machine lacks for it."""

import click

from cybous3.cli.options import Session, session_options
from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.description import Description
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.registry import CATALOGUE, FAULTS, check_possible


@click.command("faults")
@session_options(vault=False)
def faults(session: Session) -> None:
    """Say which faults there are, by what each is injected, and what is missing on this machine."""
    rows = [(fault.description, fault.how, fault.lacks()) for fault in FAULTS.values()]
    session.out.table(
        ("fault", "on", "here", "by", "parameters"),
        [
            (one.name, ", ".join(one.on), f"no: {lacks}" if lacks else "yes", how, ", ".join(one.parameters) or "-")
            for one, how, lacks in rows
        ],
    )
    session.out.result({"faults": [_document(one, how, lacks) for one, how, lacks in rows]})


def _document(one: Description, how: str, lacks: str) -> dict[str, object]:
    return {
        "name": one.name,
        "summary": one.summary,
        "on": list(one.on),
        "lasts": one.lasts,
        "by": how,
        "possible": not lacks,
        "lacks": lacks,
        "parameters": {
            name: {"default": parameter.default, "summary": parameter.summary}
            for name, parameter in one.parameters.items()
        },
    }


@click.command("scenarios")
@session_options(vault=False)
def scenarios(session: Session) -> None:
    """List the scenarios that come with the program; `cybs3 chaos run NAME` runs one."""
    found = [(name, shipped.load(name, CATALOGUE)) for name in shipped.names()]
    rows = []
    for name, scenario in found:
        try:
            check_possible(scenario)
            lacks = ""
        except CannotInject as error:
            lacks = error.message
        rows.append((name, scenario.title, lacks))
    session.out.table(("scenario", "what happens", "here"), [(n, title, lack or "yes") for n, title, lack in rows])
    session.out.result(
        {
            "scenarios": [
                {"name": name, "title": title, "possible": not lack, "lacks": lack} for name, title, lack in rows
            ]
        }
    )
