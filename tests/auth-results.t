#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Authentication-Results beside Debian's python3-authres, each way: it reads what we write, with values as strangers choose
# them, and we read what it writes. 600 fields each.
import os
import random
import re
import subprocess
import sys

import authres

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
build = os.environ.get('BUILD', 'build')
helper = subprocess.Popen([build + '/tests/helpers/auth-results'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
points = failures = 0
FIELDS = 600
random.seed(8601)


def ok(good, name, *more):
    global points, failures
    points += 1
    failures += not good
    print('%sok %d - %s' % ('' if good else 'not ', points, name))
    if not good:
        for text in more:
            print('#', text)


def ask(*lines):
    for line in lines:
        text = '\t'.join(line).replace('\r', '\x02').replace('\n', '\x01')
        helper.stdin.write(text.encode('latin-1') + b'\n')
    helper.stdin.flush()


def answer(*last):
    lines = []
    while not lines or lines[-1] not in last:
        line = helper.stdout.readline()
        if not line:
            break
        lines.append(line.decode('latin-1').rstrip('\n'))
    return lines


def unfold(lines):
    return re.sub(r'\r\n(?=[ \t])', '', '\n'.join(lines)).strip()


# What values are made of: names and addresses as they should be, and what breaks a field that isn't written with care.
WORDS = ['example.org', 'a-b.test', 'joe@example.net', '@example.org', 'joe.x+y@a.test', '2026a', 'rsa-sha256', 'aB+c/D==']
PLAIN = [word for word in WORDS if '/' not in word]
NASTY = [' ', ';', '"', '\\', '(', ')', '=', '@', '.', '<', '\r\n', '\n', '\x00'[:0], '\t'[:0], '; dmarc=pass', 'none', '\xff',
         '\x7f', 'x', ',', "'", '[', '\r\nSubject: x']


def value():
    if random.random() < 0.5:
        return random.choice(WORDS)
    return ''.join(random.choice(NASTY + WORDS) for _ in range(random.randint(1, 6)))


def comes_back(text):
    return re.sub('[^ -~]', '?', text)


PROPERTIES = [('smtp', 'mailfrom'), ('header', 'd'), ('header', 'i'), ('header', 's'), ('header', 'b'), ('header', 'from'),
              ('policy', 'iprev'), ('smtp', 'helo')]
METHODS = ['spf', 'dkim', 'dmarc', 'arc', 'iprev', 'auth']
RESULTS = ['pass', 'fail', 'softfail', 'neutral', 'none', 'policy', 'temperror', 'permerror']


def written(strict):
    """A field of ours; what it should say. With `strict` its properties need no quoting."""
    lines, wanted = [('start', 'mx.example.org', '0')], []
    for _ in range(random.randint(0, 4)):
        method, result = random.choice(METHODS), random.choice(RESULTS)
        lines.append(('method', method, result))
        if random.random() < 0.5:
            lines.append(('comment', value()))
        reason = value() if random.random() < 0.3 else ''
        lines.append(('reason', reason))
        properties = []
        chosen = random.sample(PROPERTIES, random.randint(0, 4))
        for ptype, name in chosen:
            # authres loses a quoted value that isn't the last of its result.
            text = value() if (ptype, name) == chosen[-1] and not strict else random.choice(PLAIN)
            lines.append(('property', ptype, name, text))
            if text:
                properties.append((ptype, name, comes_back(text)))
        wanted.append((method, result, comes_back(reason), properties))
    return lines + [('end',)], wanted


def unescape(text):
    """authres leaves the backslashes of a quoted string in."""
    return re.sub(r'\\(.)', r'\1', text)


def theirs(field):
    """What authres reads in it."""
    header = authres.AuthenticationResultsHeader.parse(field)
    return header.authserv_id, [
        (r.method, r.result, unescape(r.reason or ''), [(p.type, p.name, unescape(p.value)) for p in r.properties])
        for r in header.results]


def read_by_authres():
    wrong = []
    for i in range(FIELDS):
        lines, wanted = written(strict=i % 3 == 0)
        ask(*lines)
        field = unfold(answer('.')[:-1])
        try:
            got = theirs(field)
        except Exception as e:
            got = repr(e)
        if got != ('mx.example.org', wanted):
            wrong.append('%r: %r, not %r' % (field, got, wanted))
    ok(not wrong, '%d fields of ours mean to authres what they should' % FIELDS, *wrong[:3])


def quoted(text):
    return '"%s"' % re.sub(r'(["\\])', r'\\\1', text)


def read_by_us():
    wrong = []
    for i in range(FIELDS):
        results, wanted = [], []
        for _ in range(random.randint(1, 4)):
            method, result = random.choice(METHODS), random.choice(RESULTS)
            reason = random.choice(WORDS + ['a b', 'x; y', 'a "b" c']) if random.random() < 0.3 else None
            properties = []
            for ptype, name in random.sample(PROPERTIES, random.randint(0, 4)):
                text = random.choice(WORDS + ['a b', 'x;y', 'a "b" c', 'back\\slash'])
                properties.append(authres.core.AuthenticationResultProperty(ptype, name, text))
            results.append(authres.core.AuthenticationResult(
                method, result=result, result_comment=random.choice([None, 'a comment', 'x; dmarc=pass']), reason=reason,
                properties=properties))
            wanted.append('\t'.join([method, result, reason or ''] + ['%s.%s=%s' % (p.type, p.name, p.value) for p in properties]))
        header = authres.AuthenticationResultsHeader(authserv_id='mx.example.org', results=results)
        ask(('read', header.header_value()))
        got = answer('.', 'bad')
        if got != ['mx.example.org'] + wanted + ['.']:
            wrong.append('%r: %r, not %r' % (header.header_value(), got, wanted))
    ok(not wrong, '%d fields of authres mean to us what they should' % FIELDS, *wrong[:3])


def claims():
    """Whatever authres takes for ours, we do."""
    wrong = []
    pieces = ['mx.example.org', 'MX.example.ORG', 'other.test', '(x)', '(mx.example.org)', ' ', '1', ';', ' none', '"', 'spf=pass']
    for _ in range(20 * FIELDS):
        text = ''.join(random.choice(pieces) for _ in range(random.randint(1, 6)))
        try:
            header = authres.AuthenticationResultsHeader.parse_value(text)
        except Exception:
            continue
        ask(('claims', 'mx.example.org', text))
        ours = answer('yes', 'no')[-1] == 'yes'
        if header.authserv_id == 'mx.example.org' and not ours:
            wrong.append(repr(text))
    ok(not wrong, 'what is ours to authres is ours to us', *wrong[:3])


def lines_are_short():
    longest = 0
    for _ in range(FIELDS):
        lines, _ = written(strict=True)
        ask(*[line for line in lines if line[0] not in ('reason', 'comment')])
        longest = max([longest] + [len(line.rstrip('\r').expandtabs(8)) for line in answer('.')])
    ok(0 < longest <= 78, 'lines of %d columns at most' % longest)


read_by_authres()
read_by_us()
claims()
lines_are_short()
helper.stdin.close()
ok(helper.wait(60) == 0, 'no crash')
print('1..%d' % points)
sys.exit(failures > 0)
