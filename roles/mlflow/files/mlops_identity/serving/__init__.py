# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's most frequent calls with fewer statements: the same rows, answers and errors, by PostgreSQL only.

What a call does not know is left to MLflow's own code; docs/search.md says what is known.
"""
