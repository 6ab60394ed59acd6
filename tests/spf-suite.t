#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The test suite of RFC 7208's authors (rfc7208-tests.yml), where it is there: in the folder that SPF_SUITE names, or
# in shared/vectors/spf beside the tree. It is others' data and no part of this tree; tests/unit/spf.c has cases of
# our own for every rule.
import os
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
folder = os.environ.get('SPF_SUITE') or '../shared/vectors/spf'
suite = os.path.join(folder, 'rfc7208-tests.yml')
if not os.path.exists(suite):
    print('1..0 # SKIP the suite of RFC 7208 is not here: SPF_SUITE=FOLDER names the folder of rfc7208-tests.yml')
    sys.exit(0)
import yaml  # the suite's own format; nothing else needs it


def escaped(text):
    """The notation of helpers/zone.h. The suite writes octets as characters of the same number."""
    return ''.join(c if '!' <= c <= '~' and c != '\\' else '\\%02x' % ord(c) for c in text)


def value(kind, data):
    if kind == 'MX':
        return '%d %s' % (data[0], escaped(data[1]))
    if kind == 'TXT':
        return '\t'.join(escaped(s) for s in ([data] if isinstance(data, str) else data))
    return escaped(data)


def zone_lines(zonedata):
    """SPF entries stand for TXT where no TXT entry is given; TXT: NONE gives one that isn't there."""
    for name, entries in zonedata.items():
        has_txt = any(isinstance(e, dict) and 'TXT' in e for e in entries)
        for entry in entries:
            if entry == 'TIMEOUT':
                yield 'z %s TIMEOUT' % escaped(name)
                continue
            (kind, data), = entry.items()
            if kind == 'SPF':
                kind = None if has_txt else 'TXT'
            if kind and data != 'NONE':
                empty = kind == 'TXT' and data == []
                yield 'z %s %s' % (escaped(name), kind) + ('' if empty else ' ' + value(kind, data))


def run(lines):
    program = os.path.join(os.environ.get('BUILD', 'build'), 'tests/helpers/spf-query')
    done = subprocess.run([program], input='\n'.join(lines) + '\n', stdout=subprocess.PIPE, encoding='latin-1')
    answers = done.stdout.split('\n')[:-1]
    return answers if done.returncode == 0 else answers + ['the program ended with %d' % done.returncode]


def judge(test, answer):
    """None, or what is wrong with the answer."""
    wanted = test['result'] if isinstance(test['result'], list) else [test['result']]
    result, explanation, why = answer.split('\t') if answer.count('\t') == 2 else (answer, '', '')
    if result not in wanted:
        return '%s (%s), not %s' % (result, why, ' or '.join(wanted))
    if 'explanation' in test:
        expected = '' if test['explanation'] == 'DEFAULT' else test['explanation']
        if explanation != expected:
            return 'explains %r, not %r' % (explanation, expected)
    return None


points = failures = 0
with open(suite, encoding='latin-1') as stream:
    scenarios = [s for s in yaml.safe_load_all(stream) if s]
for scenario in scenarios:
    tests = scenario['tests'].items()
    lines = list(zone_lines(scenario['zonedata']))
    lines += ['q %s %s %s' % (t['host'], escaped(t['helo']), escaped(t['mailfrom'])) for _, t in tests]
    answers = run(lines)
    for (name, test), answer in zip(tests, answers + ['no answer'] * len(tests)):
        points += 1
        wrong = judge(test, answer)
        failures += wrong is not None
        print('%sok %d - %s: %s' % ('not ' if wrong else '', points, scenario['description'], name))
        if wrong:
            print('# %s' % wrong)
print('1..%d' % points)
sys.exit(1 if failures or not points else 0)
