# SPDX-License-Identifier: Apache-2.0
"""Tests on a running lab whose guests are real; see tests/run."""
