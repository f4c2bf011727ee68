"""The demo's pages on a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from worker.assessments.nutrient_result import NutrientResult
from worker.demo.notify import SentEmail
from worker.demo.outcome import Expectation, LogLine, Outcome, Sent
from worker.reports.nutrient_table import nutrient_table

_WIDTH_WITHOUT_TERMINAL = 110
# What the page says already; what is the same in all lines of a job is shown where it is new.
_SAID = frozenset({"@timestamp", "message", "correlation_id"})
_OF_THE_JOB = frozenset({"message_id", "job_id", "job_type", "reference_versions"})


class Printout:
    """Prints to standard output; text from outside is never read as markup."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        narrow = not console.is_terminal
        self._console = Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL if narrow else None)

    def title(self, text: str, subtitle: str) -> None:
        self._console.print(Panel(Text(subtitle), title=f"[bold]{text}", title_align="left"))

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A spinner while the block runs, then a line with its duration."""
        started = time.monotonic()
        with self._console.status(f"{what} ..."):
            yield
        seconds = time.monotonic() - started
        self._console.print(f"[green]✓[/green] {what} [dim]{seconds:.1f} s[/dim]")

    def sent(self, messages: Sequence[Sent]) -> None:
        self._heading("What was sent")
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("Correlation id")
        table.add_column("What")
        table.add_column("Way to the queue")
        for one in messages:
            table.add_row(one.correlation_id, one.what, one.way)
        self._console.print(table)

    def result(self, sent: Sent, outcome: Outcome) -> None:
        story = outcome.stories.get(sent.correlation_id)
        document = story.result if story else None
        self._heading(f"Result of {sent.correlation_id}")
        if document is None:
            self._console.print("[red]There is none.[/red]")
            return
        # A quote's document says more than the assessment's result.
        facts = {name: document[name] for name in NutrientResult.model_fields if name in document}
        self._console.print(nutrient_table(NutrientResult.model_validate(facts)))

    def requests(self, outcome: Outcome) -> None:
        self._heading("What the backend received")
        for request in outcome.requests:
            body = request.json()
            if request.method == "PATCH":
                shown: RenderableType = _json(body)
            else:
                shown = _json(_outline(body))
            self._console.print(f"[bold]{request.method} {request.path}[/bold]", shown)

    def emails(self, emails: Sequence[SentEmail], templates: Mapping[str, str]) -> None:
        self._heading("E-mails that GOV.UK Notify received")
        for email in emails:
            table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
            table.add_row("[dim]to", Text(email.to))
            table.add_row("[dim]template", templates.get(email.template_id, email.template_id))
            for name, value in email.personalisation.items():
                table.add_row(f"[dim]{name}", Text(_value(value)))
            self._console.print(Panel(table, box=box.ROUNDED))

    def log(self, correlation_id: str, lines: Sequence[LogLine]) -> None:
        self._heading(f"The worker's log lines of {correlation_id}")
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        known: dict[str, object] = {}
        for line in lines:
            event = Text(str(line.get("message")), style="cyan")
            table.add_row(_clock(line), event, Text(_fields(line, known), style="dim"))
            known |= {name: value for name, value in line.items() if name in _OF_THE_JOB}
        self._console.print(table)

    def dead_letters(self, outcome: Outcome) -> None:
        self._heading("On the dead-letter queue, and why")
        for body in outcome.dead_letters:
            self._console.print(_json(json.loads(body)))
        for story in outcome.stories.values():
            job = story.job
            if job.error_code:
                self._console.print(
                    Text.assemble((job.error_code, "bold red"), "  ", job.error_sentence or "")
                )
        self._console.print(
            "[dim]SQS moved it there after its third receive; the first one already told support,"
            " the others did no work.[/dim]"
        )

    def section(self, heading: str, *shown: RenderableType) -> None:
        """A page of what another module has made to be shown."""
        self._heading(heading)
        for one in shown:
            self._console.print(one)

    def files(self, files: Sequence[Path]) -> None:
        self._heading("Reports to look at")
        for file in files:
            self._console.print(Text(str(file)))

    def verdict(self, expected: Sequence[Expectation], seconds: float) -> None:
        self._heading("What this has shown")
        for one in expected:
            mark = "[green]✓[/green]" if one.holds else "[red]✗[/red]"
            self._console.print(f"{mark} {one.sentence}")
        self._console.print(
            f"[dim]Everything but the reports is stopped and removed. {seconds:.0f} s[/dim]"
        )

    def failed(self, why: str) -> None:
        self._console.print(Text(why, style="red"))

    def _heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Rule(f"[bold]{text}", align="left", style="blue"))


def _json(value: object) -> RenderableType:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return Group(Syntax(text, "json", background_color="default", word_wrap=True))


def _outline(body: object) -> object:
    """A posted result without its facts, which the table shows."""
    if not isinstance(body, dict) or "result" not in body:
        return body
    return {**body, "result": "... (the table above)"}


def _value(value: object) -> str:
    if isinstance(value, Mapping) and "file" in value:
        return f"file {value['filename']}, {len(str(value['file'])) * 3 // 4:,} bytes"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)


def _clock(line: LogLine) -> str:
    return str(line.get("@timestamp", ""))[11:23]


def _fields(line: LogLine, known: Mapping[str, object]) -> str:
    """The line's own fields; those with a dot are the log index's names for the same."""
    return "  ".join(
        f"{name}={_value(value)}"
        for name, value in line.items()
        if "." not in name and name not in _SAID and not (name in known and known[name] == value)
    )
