"""The newest revision is known without alembic, and it is alembic's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from worker.migrations import runner


def test_head_is_what_alembic_says() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(runner.__file__).parent))

    assert runner.head() == ScriptDirectory.from_config(config).get_current_head()


def test_head_and_current_import_neither_sqlalchemy_nor_alembic() -> None:
    code = (
        "import sys; from worker.migrations import runner; runner.head();"
        "print([name for name in ('sqlalchemy', 'alembic') if name in sys.modules])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"
