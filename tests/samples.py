# SPDX-License-Identifier: Apache-2.0
"""Generate the samples in etc/ and validate them beside the services' own.

``python -m tests.samples`` writes them; with ``--check`` a sample that is not
up to date is an error. In both cases oslo-config-validator must accept each
sample, with every option set to its default, next to the service's own
options, and must refuse the same sample with one option misspelt.

So it must accept what our plugin of DevStack writes, and what ``openstack dcn
site render`` prints.

The sample of Nova's policy file is written by hand. oslo.policy must know each
of its rules beside Nova's own, and they must close what ``dcn-status`` warns
of.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

from nova import policies
from nova import version
from oslo_config import cfg
from oslo_policy import policy
from oslo_upgradecheck import upgradecheck

from dcn_plugins.cmd import policy_checks
from dcn_plugins.nova import cross_site_policy
from dcn_plugins.osc import site_configuration
from tests.unit.devstack import stacked

ROOT = pathlib.Path(__file__).resolve().parents[1]
GENERATOR = ROOT / 'etc' / 'oslo-config-generator'
#: Namespaces of each service's own options, from its own generator file.
SERVICES = {
    'nova': ['nova.conf', 'keystonemiddleware.auth_token', 'oslo.messaging',
             'oslo.log', 'oslo.concurrency'],
    'cinder': ['cinder', 'keystonemiddleware.auth_token', 'oslo.messaging',
               'oslo.log', 'oslo.concurrency'],
    'glance': ['glance.api', 'glance', 'glance.store', 'glance.multi_store',
               'keystonemiddleware.auth_token', 'oslo.messaging', 'oslo.log',
               'oslo.concurrency']}
#: How each door is switched on, as the README says.
SWITCH = {
    'nova': '''[filter_scheduler]
available_filters = nova.scheduler.filters.all_filters
available_filters = dcn_plugins.nova.site_filter.DCNSiteFilter
enabled_filters = DCNSiteFilter,ComputeFilter
''',
    'cinder': '''[DEFAULT]
enabled_backends = ceph
[coordination]
backend_url = etcd3+http://192.0.2.1:2379?api_version=v3
''',
    'glance': '''[oslo_messaging_notifications]
driver = dcn_copy
'''}
_OPTION = re.compile(r'^#(\w+ = )', re.MULTILINE)
POLICY = 'etc/nova/policy.dcn.yaml.sample'
#: The rule of a named host, and the release of Nova that has brought it.
NAMED_HOST = 'os_compute_api:os-migrate-server:migrate_live:host', 32
_BACKEND = re.compile(r'^\[(central|dcn0|dcn1|ceph)\]$', re.MULTILINE)
_AUTH = re.compile(r'^(username|password|auth_url|project_name|'
                   r'(user|project)_domain_id) = .*$', re.MULTILINE)
_RULE = re.compile(r'^#("[^"]+": )', re.MULTILINE)


def tool(name, *arguments):
    """Run a program of this environment and return its result."""
    return subprocess.run(
        [str(pathlib.Path(sys.prefix, 'bin', name)), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=120)


def generate(service):
    """Write one sample and return (old text, new text)."""
    path = ROOT / 'etc' / service / 'dcn.conf.sample'
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ''
    done = tool('oslo-config-generator', '--config-file',
                GENERATOR / f'{service}.conf')
    if done.returncode:
        sys.exit(f'oslo-config-generator for {service}: {done.stderr}')
    return before, path.read_text()


def validate(service, text):
    """Return what oslo-config-validator says of a configuration file."""
    with tempfile.TemporaryDirectory() as scratch:
        conf = pathlib.Path(scratch, f'{service}.conf')
        conf.write_text(text)
        namespaces = [f'--namespace={name}' for name in
                      [f'dcn_plugins.{service}'] + SERVICES[service]]
        return tool('oslo-config-validator', '--input-file', conf,
                    *namespaces)


def check(service, is_checking):
    """Return the complaints about one service's sample."""
    before, sample = generate(service)
    complaints = []
    if is_checking and before != sample:
        complaints.append(f'etc/{service}/dcn.conf.sample was not up to '
                          'date: run tox -e genconfig and commit it')
    options = _OPTION.sub(r'\1', sample)
    done = validate(service, SWITCH[service] + options)
    if done.returncode:
        complaints.append(f'{service}: refused: {done.stdout}{done.stderr}')
    # A validator that accepts everything would prove nothing.
    done = validate(service, SWITCH[service] + options + 'misspelt = 1\n')
    if not done.returncode:
        complaints.append(f'{service}: a misspelt option was accepted')
    count = len(_OPTION.findall(sample))
    print(f'etc/{service}/dcn.conf.sample: {count} options')
    return complaints


def complaints_of_rules(text):
    """Return what is wrong with the text of a policy file for Nova."""
    complaints = []
    with tempfile.TemporaryDirectory() as scratch:
        rules = pathlib.Path(scratch, 'policy.yaml')
        rules.write_text(text)
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        policy.Enforcer(conf)  # It registers its options.
        conf.set_override('policy_file', str(rules), group='oslo_policy')
        for name, check in policy_checks.PolicyChecks(conf).all():
            result = check()
            if result.code != upgradecheck.Code.SUCCESS:
                complaints.append(f'{name}: {result.details}')
    named = {rule.name: rule.check_str
             for rule in [*policies.list_rules(), *cross_site_policy.RULES]}
    for name, check_str in policy.parse_file_contents(text).items():
        if name not in named:
            complaints.append(f'no service knows {name}')
        elif name.startswith('dcn:') and check_str != named[name]:
            complaints.append(f'{name}: the default is {named[name]}')
    return complaints


def rules_of_release():
    """Return the sample of Nova's policy file as the installed Nova needs it.

    Twice: as its notes say for this release, and with every rule in it.
    """
    sample = (ROOT / POLICY).read_text()
    everything = _RULE.sub(r'\1', sample)
    name, since = NAMED_HOST
    if int(version.version_string().partition('.')[0]) < since:
        everything = sample = re.sub(f'^"{name}".*', '', everything,
                                     flags=re.MULTILINE)
    return sample, everything


def check_policy():
    """Return the complaints about the sample of Nova's policy file."""
    sample, everything = rules_of_release()
    complaints = [f'{POLICY}: {text}' for text in dict.fromkeys(
        complaints_of_rules(sample) + complaints_of_rules(everything))]
    # As above: what accepts everything proves nothing.
    if not complaints_of_rules(sample.replace('os-evacuate', 'os-evacuat')):
        complaints.append(f'{POLICY}: a misspelt rule was accepted')
    print(f'{POLICY}: {len(policy.parse_file_contents(everything))} rules')
    return complaints


def check_devstack():
    """Return the complaints about what our plugin of DevStack writes."""
    complaints = []
    with tempfile.TemporaryDirectory() as scratch:
        stack = stacked.Stacked(scratch)
        stack.run(*stacked.PHASES)
        for service, name in stacked.CONFIGURATION.items():
            text = stack.text(name)
            # No generator knows the sections of backends, nor what stands
            # there because of "auth_type = password".
            text = _BACKEND.sub('[backend_defaults]', text)
            text = _AUTH.sub('', text)
            done = validate(service, text)
            if done.returncode:
                complaints.append(f'devstack: {service}: refused: '
                                  f'{done.stdout}{done.stderr}')
            print(f'devstack, {service}: {text.count(" = ")} options')
    return complaints


def check_rendered():
    """Return the complaints about the configuration of a new site."""
    complaints = []
    url = 'dcn-etcd3+http://192.0.2.1:2379'
    made = site_configuration.SiteConfiguration(
        'dcn0', 'dcn0', 'dcn0', 'central', url, url,
        '/etc/glance/placement.yaml', 'http://192.0.2.1:9292', 'openstack',
        '/etc/ceph/{site}.conf', site_configuration.secret_of('dcn0'))
    for service in SERVICES:
        text = site_configuration.text_of(getattr(made, service)())
        # As above; of stores it knows the one section of a single store.
        section = 'glance_store' if service == 'glance' else 'backend_defaults'
        done = validate(service, _BACKEND.sub(f'[{section}]', text))
        if done.returncode:
            complaints.append(f'dcn site render: {service}: refused: '
                              f'{done.stdout}{done.stderr}')
        print(f'dcn site render, {service}: {text.count(" = ")} options')
    return complaints


def main():
    """Generate and validate all samples; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true',
                        help='fail when a sample has changed')
    arguments = parser.parse_args()
    complaints = [text for service in SERVICES
                  for text in check(service, arguments.check)]
    complaints += check_policy() + check_devstack() + check_rendered()
    for text in complaints:
        print(f'error: {text}', file=sys.stderr)
    return bool(complaints)


if __name__ == '__main__':
    sys.exit(main())
