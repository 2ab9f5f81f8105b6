use strict;
use JSON::PP;
my ($input) = glob("$ENV{SKYRAIL_INPUTS}/counted/*");
open(my $file, "<", $input) or die "$input: $!";
local $/;
my $counted = decode_json(<$file>);
print encode_json({ doubled => 2 * $counted->{answer} }), "\n";
