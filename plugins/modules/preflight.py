# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Judge inventory, contract and hosts before anything is changed
version_added: 0.1.0
description:
  - Validates every variable of the roles of this collection that the inventory sets, and the whole contract,
    against the argument specs and against the rules that specs cannot express; looks at what
    M(mlops.tracking.preflight_probe) saw on the hosts; and reports all problems at once.
  - Every problem names the variable, its value (never a secret) and the way out.
  - Runs once, on the controller, for all hosts. Hosts that a run leaves out with C(--limit) are judged by
    their variables only.
options:
  probe_variable:
    description: The variable in which the result of M(mlops.tracking.preflight_probe) is registered on each host.
    type: str
    required: true
author:
  - mlops.tracking maintainers (@mlops-tracking)
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Look at the host
  mlops.tracking.preflight_probe:
    names: "{{ groups['all'] }}"
  register: probe

- name: Refuse what cannot work
  mlops.tracking.preflight:
    probe_variable: probe
"""

RETURN = r"""
hosts:
  description: One line for each host that was looked at.
  returned: success
  type: list
  elements: str
  sample:
    - "mlflow1: Debian GNU/Linux 13 (trixie), 3900 MiB memory, tiers mlflow"
"""
