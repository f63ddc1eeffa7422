# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write NAME=VALUE arguments as variables of a playbook, as data: no character of a value means anything there."""

from __future__ import annotations

import json
import sys

for argument in sys.argv[1:]:
    name, value = argument.split("=", 1)
    print(f"{name}: !unsafe {json.dumps(value, ensure_ascii=False)}")
