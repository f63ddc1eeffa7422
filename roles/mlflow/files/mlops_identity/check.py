# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says whether a configuration file can be used, for those who write one: `python -m mlops_identity.check FILE`."""

from __future__ import annotations

import sys

from mlops_identity.config import ConfigError, load


def main(path: str) -> int:
    """Return the exit code for a file, and say what is wrong with it."""
    try:
        load(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
