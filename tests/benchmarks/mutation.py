"""How many changes of the code a test noticed: the figure of the last `make mutate`, and its floor."""

import json
import sys
from pathlib import Path
from typing import Final

FLOOR: Final = 0.95
STATS: Final = Path("mutants/mutmut-cicd-stats.json")


def main() -> None:
    """Exit 1 where more than one mutant in twenty survived, or was not run at all."""
    stats: dict[str, int] = json.loads(STATS.read_text())
    killed = stats["killed"] + stats["timeout"]
    print(f"{killed} of {stats['total']} mutants are killed: {killed / stats['total']:.1%}")
    sys.exit(0 if killed >= FLOOR * stats["total"] else 1)


if __name__ == "__main__":
    main()
