"""Train from the command line: ``python agents/train.py CONFIG [KEY=VALUE]...`` does what ``edgegym train`` does."""

from __future__ import annotations

import sys

from edgegym.agents.cli.main import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    main()
