#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every dialogue in every mode: one TAP point each. `tests/dialogue FILE...` plays some of them, -m in one mode.
use strict;
use warnings;
use FindBin;

chdir "$FindBin::Bin/.." or die "$FindBin::Bin/..: $!\n";
my @files = sort glob 'tests/dialogues/*/*.txt';
@files or die "no dialogues below tests/dialogues\n";
exec 'tests/dialogue', @files or die "tests/dialogue: $!\n";
