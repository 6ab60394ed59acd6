#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# SPF beside pyspf, the implementation of RFC 7208's editor: random records, clients and senders over one DNS in memory, the
# same result and the same explanation. SPF_CASES (3000) of them, from SPF_SEED (1). Where pyspf is stricter than the standard
# it isn't followed: an unknown modifier twice is fine (6), a record that includes itself is an error only once the limits are
# reached (4.6.4), and what finds nothing is counted by the term and not by the question (4.6.4).
import ipaddress
import os
import random
import subprocess
import sys

import spf

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
CASES = int(os.environ.get('SPF_CASES') or 3000)
DOMAINS = ['a.test', 'b.test', 'c.test', 'mx.a.test', 'mx.b.test', 'x.c.test']
FOUR = ['192.0.2.1', '192.0.2.2', '198.51.100.7']
SIX = ['2001:db8::1', '2001:db8::2']
SPECS = DOMAINS[:4] + [
    'no.test', 'down.test', 'x..test', 'a.test.', 'foo:bar.a.test', 'a%%b.a.test', '%{d}', '%{o}', '%{h}', '%{p}', '%{d2}',
    '%{i}.x.test', '%{ir}.%{v}.x.test', '%{l}.c.test', '%{l1r-}.c.test', '%{d1r}.c.test', '%{S}.a.test']
ODD_SPECS = ['museum', '', '%{x}.a.test', '%a.test', '%{c}.test', 'a.test-', '1.2.3.4', 'a b']
PREFIXES = ['', '', '', '/24', '//64', '/24//64', '/0', '//0', '/32//128']
ODD_PREFIXES = ['/33', '//129', '/032', '/', '/24/64', '//64/24']
TEXTS = ['go away, %{i}', '%{s} %{d} %{o} %{h} %{c} %{v}', '%{p}', '%{L}%{dr}%{d1}%%%_%-', '%{x}', 'plain', '%{ir} %{l1r-}']
spf.MAX_VOID_LOOKUPS = 10 ** 6
zone = {}


def lookup(name, qtype, strict=True, timeout=20):
    """What pyspf asks instead of DNS."""
    records = zone.get(name.lower().rstrip('.'), [])
    if records == 'TIMEOUT':
        raise spf.TempError('no answer')
    wire = {'TXT': lambda v: (v.encode(),), 'AAAA': lambda v: ipaddress.ip_address(v).packed}
    return [((name, t), wire.get(t, lambda v: v)(v)) for t, v in records if t == qtype]


spf.DNSLookup = lookup


def term(r):
    """One that is likely to be right."""
    odd = r.random() < 0.04
    spec = r.choice(ODD_SPECS if odd else SPECS)
    prefix = r.choice(ODD_PREFIXES if odd else PREFIXES)
    kind = r.choice(['all', 'include', 'a', 'a', 'A', 'mx', 'mx', 'ptr', 'ip4', 'ip6', 'exists', 'redirect', 'exp', 'foo'])
    sign = r.choice(['', '', '+', '-', '~', '?'])
    if kind == 'all':
        return sign + kind + (r.choice(['.', '/8', ':a.test']) if odd else '')
    if kind in ('include', 'exists'):
        return sign + kind + ':' + spec
    if kind in ('a', 'A', 'mx'):
        return sign + kind + r.choice(['', ':' + spec]) + prefix
    if kind == 'ptr':
        return sign + kind + r.choice(['', ':' + spec])
    if kind == 'ip4':
        return sign + 'ip4:' + r.choice(['1.2.3', '192.0.2.01'] if odd else FOUR + ['192.0.2.0']) + r.choice(['', '/24', '/32', '/0'])
    if kind == 'ip6':
        return sign + 'ip6:' + r.choice(['1::2::3', '1.2.3.4'] if odd else SIX + ['2001:db8::', '::ffff:192.0.2.1']) + \
            r.choice(['', '/64', '/32', '/0'])
    if kind == 'foo':
        return r.choice(['foo=%{c}', 'foo=%{q}', '1=x', '=x', 'bogus'] if odd else ['foo=x', 'foo=%{d}'])
    return kind + '=' + (r.choice(['why.test'] + SPECS[:2]) if kind == 'exp' and not odd else spec)


def record(r):
    terms = [term(r) for _ in range(r.randint(0, 5))]
    return 'v=spf1' + ''.join(' ' + t for t in terms + ([r.choice(['-all', '~all'])] if r.random() < 0.6 else []))


def make_zone(r):
    zone.clear()
    zone['down.test'] = 'TIMEOUT'
    zone['why.test'] = [('TXT', r.choice(TEXTS)) for _ in range(1 if r.random() < 0.9 else 2)]
    for domain in DOMAINS:
        records = [('TXT', record(r)) for _ in range(1 if r.random() < 0.9 else r.choice([0, 2]))]
        records += [('A', r.choice(FOUR))] * (r.random() < 0.6) + [('AAAA', r.choice(SIX))] * (r.random() < 0.4)
        records += [('MX', (10, r.choice(['mx.a.test', 'mx.b.test', 'c.test', 'no.test']))) for _ in range(r.choice([0, 0, 1, 2]))]
        zone[domain] = records
    for client in FOUR + SIX:
        if r.random() < 0.7:
            zone[ipaddress.ip_address(client).reverse_pointer] = [('PTR', r.choice(DOMAINS + ['no.test'])) for _ in range(2)]
        zone[client + '.x.test'] = [('A', '127.0.0.1')]


def lines(query):
    """The notation of helpers/zone.h."""
    yield '.'
    for name, records in zone.items():
        if records == 'TIMEOUT':
            yield 'z %s TIMEOUT' % name
            continue
        for kind, value in records:
            yield 'z %s %s %s' % (name, kind, '%d %s' % value if kind == 'MX' else value)
    yield 'q %s %s %s' % query


def theirs(query):
    """(result, explanation), or None where pyspf has rules of its own."""
    client, helo, sender = query
    result, explanation = spf.check2(client, sender, helo, receiver='receiver.test')
    if 'trivial recursion' in explanation or 'foo= MUST appear' in explanation:
        return None
    return result, '' if result != 'fail' or explanation == spf.EXPLANATIONS['fail'] else explanation


r = random.Random(int(os.environ.get('SPF_SEED') or 1))
text, expected, shown = [], [], []
for _ in range(CASES):
    make_zone(r)
    query = r.choice(FOUR + SIX), r.choice(['h.test', 'mx.a.test', 'localhost']), r.choice(['foo-bar@a.test', 'x@b.test', 'x@c.test', ''])
    text += lines(query)
    expected.append(theirs(query))
    shown.append((query, dict(zone)))
program = os.path.join(os.environ.get('BUILD', 'build'), 'tests/helpers/spf-query')
done = subprocess.run([program], input='\n'.join(text) + '\n', stdout=subprocess.PIPE, encoding='latin-1')
answers = [line.split('\t') for line in done.stdout.split('\n')[:-1]]

seen, different, compared = {}, 0, 0
for answer, (query, records), want in zip(answers, shown, expected):
    if want is None or 'for what isn' in answer[2]:
        continue
    compared += 1
    seen[want[0]] = seen.get(want[0], 0) + 1
    if (answer[0], answer[1]) != want:
        different += 1
        if different <= 5:
            print('# %s: %s, pyspf %s\n# %s' % (query, answer, want, records))
good = done.returncode == 0 and len(answers) == CASES
print('%sok 1 - %d queries are answered' % ('' if good else 'not ', CASES))
print('%sok 2 - %d of them as by pyspf' % ('not ' if different else '', compared))
enough = compared > CASES * 0.9 and all(seen.get(k, 0) > CASES / 300 for k in
                                        ('pass', 'fail', 'softfail', 'neutral', 'none', 'temperror', 'permerror'))
print('%sok 3 - every result is among them: %s' % ('' if enough else 'not ', seen))
print('1..3')
sys.exit(0 if good and not different and enough else 1)
