# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_controller
short_description: Refuse a controller that lacks what a run needs
version_added: 0.1.0
description:
  - Looks at the machine that runs Ansible - the version of ansible-core, the collections whose modules the roles use,
    and the Python packages that filters and modules import there - and reports everything that is missing at once, with
    the commands that install it.
  - Looks at the Python that runs Ansible, and at the one that runs modules on C(localhost), which may be another.
  - Delegate it to C(localhost).
options: {}
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
- name: Refuse a controller that lacks something
  mlops.tracking.preflight_controller:
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
executable:
  description: The Python that runs modules on C(localhost).
  returned: success
  type: str
  sample: /opt/ansible/bin/python
prefix:
  description: The environment of that Python.
  returned: success
  type: str
  sample: /opt/ansible
managed:
  description: Whether its packages are those of the distribution.
  returned: success
  type: bool
  sample: false
packages:
  description: The versions of the packages that it can import, V(null) for one that it cannot.
  returned: success
  type: dict
  sample:
    cryptography: 46.0.3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._controller import MODULE_PACKAGES, look_at_python


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, **look_at_python(MODULE_PACKAGES))


if __name__ == "__main__":
    main()
