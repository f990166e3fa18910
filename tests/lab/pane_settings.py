# SPDX-License-Identifier: Apache-2.0
"""What ``openstack dcn`` has to know of a lab that no catalogue tells."""

import json

from tests.lab.services import etcd
from tests.lab.services import glance


def write(lab):
    """Write the file for ``OS_DCN_CONFIG_FILE`` and return its path."""
    path = lab.path('etc', 'dcn.yaml')
    # JSON is YAML, too.
    text = json.dumps({'dcn': {
        'policy_file': str(glance.policy_file(lab)),
        'jobs_url': etcd.coordination_url(lab, 'central'),
        'sites': {site: {'locks_url': etcd.coordination_url(lab, site)}
                  for site in lab.sites}}}, indent=2) + '\n'
    scratch = path.with_suffix('.new')
    scratch.write_text(text)
    scratch.rename(path)
    return path
