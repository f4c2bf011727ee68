"""Fails if a test was skipped or expected to fail, or a whole folder of tests did not run."""

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
        # A test that is expected to fail is reported as skipped too.
        skipped = case.find("skipped")
        if skipped is not None:
            problems.append(f"skipped: {name}: {skipped.get('message')}")
            continue
        ran[name.split(".")[1]] += 1
    problems += [f"no test ran in tests/{folder}" for folder in FOLDERS if not ran[folder]]
    print("\n".join(problems) or ", ".join(f"{folder} {ran[folder]}" for folder in FOLDERS))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
