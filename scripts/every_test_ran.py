"""Fails if a test of the report was skipped, or a folder of tests was not run at all."""

from __future__ import annotations

import sys
from collections import Counter
from xml.etree import ElementTree

FOLDERS = ("unit", "integration", "process", "hostile", "infra", "acceptance")


def main(report: str) -> int:
    ran: Counter[str] = Counter()
    problems: list[str] = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own report
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        # A test that is known to fail is reported as skipped too, with this type.
        if skipped is not None and skipped.get("type") != "pytest.xfail":
            problems.append(f"skipped: {name}: {skipped.get('message')}")
            continue
        ran[name.split(".")[1]] += 1
    problems += [f"no test ran in tests/{folder}" for folder in FOLDERS if not ran[folder]]
    print("\n".join(problems) or ", ".join(f"{folder} {ran[folder]}" for folder in FOLDERS))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
