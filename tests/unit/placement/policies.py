# SPDX-License-Identifier: Apache-2.0
"""The policy that most tests are about, and its stores."""

import textwrap

from dcn_plugins.placement import image
from dcn_plugins.placement import policy_text

STORES = frozenset(['central', 'dcn0', 'dcn1', 'dcn10', 'dcn2'])

TEXT = textwrap.dedent('''\
    version: 1
    central: central
    groups:
      emea: [dcn0, dcn1]
    residency:
      - name: x stays in A and B
        projects: [project-x]
        stores: [dcn0, dcn1]
    projects:
      - name: snapshots of y
        projects: [project-y]
        kind: snapshot
        stores: central
        may_ask: group:emea
    kinds:
      - name: public everywhere
        visibility: public
        stores: all
        pinned: central
        priority: 5
      - name: snapshots return
        kind: [snapshot, backup]
        stores: central
        may_ask: all
        pinned: central
        leave_edge_after: 30d
        within: 1h
    default:
      stores: [central, dcn2]
      may_ask: all
    ''')

# Signs that mean something somewhere, and some of each width. Not any sign
# that there is: hypothesis would list them all first, for seconds.
SIGNS = ('acdnols01,:./\\ \t\n\r\0[]{}&*!|>#"\'-?%\x85\xe9'
         '\u2028\u202e\ud800\U0001f4a9')

POLICY = policy_text.policy_of(TEXT)


def an_image(**values):
    """Return an image of some project."""
    return image.Image(**{'id': 'image-1', 'owner': 'project-a', **values})
