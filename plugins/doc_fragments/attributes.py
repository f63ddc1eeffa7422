# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What every module of this collection says about itself."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying anything.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

    # For modules that only read.
    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying anything.
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    description: Returns details on what has changed, or would change in C(check_mode), when in diff mode.
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""

    ACTIONGROUP_MINIO = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/mlops.tracking.minio) in C(module_defaults) to set options for this module.
    support: full
    membership:
      - mlops.tracking.minio
"""

    ACTIONGROUP_KEYCLOAK = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/mlops.tracking.keycloak) in C(module_defaults) to set options for this module.
    support: full
    membership:
      - mlops.tracking.keycloak
"""

    ACTIONGROUP_MLFLOW = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/mlops.tracking.mlflow) in C(module_defaults) to set options for this module.
    support: full
    membership:
      - mlops.tracking.mlflow
"""
