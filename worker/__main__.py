"""``nrf-worker`` and ``python -m worker``.

Spawned children import this module again as their main module, so it imports nothing at the top.
"""


def main() -> None:
    """Run the command line."""
    from worker.cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
