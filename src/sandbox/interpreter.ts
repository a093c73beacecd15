/**
 * The helper once more, in perl, for disks that do not let it run: reads the same tables (table.ts) and moves the same bytes (native/nbox.c
 * says what the pump does). Its arguments are the numbers of clone(2) and clock_gettime(2). Only what is in the interpreter itself is
 * used: no module is loaded.
 */
export const INTERPRETER = String.raw`
use strict; use integer; $^F = 1 << 20;
my ($clone, $clock) = (shift, shift); my ($blob, $base, @r);
if (@ARGV) { open T, "<", $ARGV[0] or exit 125 } else { open T, "<&=", 3 or exit 125 }
sub take { my ($n, $b) = (shift, "");
  while (length $b < $n) { my $g = sysread T, $b, $n - length $b, length $b; next if !defined $g && $! == 4; exit 125 unless $g }
  $b }
sub get { unpack $_[0], substr $blob, $_[1], $_[2] }
sub put { substr($blob, $_[1], 8) = pack "q<", $_[0] }
sub text { unpack "Z*", substr $blob, $_[0] - $base, 4097 }
sub handle { my ($fd, $mode) = @_; return undef if $fd < 0; open my $h, $mode, $fd or return undef; binmode $h; $h }
sub all { my ($h, $b, $at) = (@_, 0);
  while ($at < length $b) { my $n = syswrite $h, $b, length($b) - $at, $at;
    if (defined $n) { $at += $n; next } next if $! == 4;
    if ($! == 11) { my $w = ""; vec($w, fileno $h, 1) = 1; select undef, $w, undef, 1; next } return 0 } 1 }
sub pump {
  my $pid = shift; my ($s0, $s1, $c0, $c1, $log, $st, $in, $to, $win, $lim, $path, $old) = get("q<12", shift() - $base, 96);
  my @src = (handle($s0, "<&="), handle($s1, "<&=")); my @copy = (handle($c0, ">&="), handle($c1, ">&="));
  my ($l, $s, $i, $w) = (handle($log, ">&="), handle($st, ">&="), handle($in, "<&="), handle($win, "<&="));
  my $o = handle($to, ">&="); my ($pending, $done, $status, $rest, $wake) = ("", 0, 0, 64, 0);
  my $size = sub { my $z = "\0" x 8; ioctl($w, 0x5413, $z) and ioctl($o, 0x5414, $z) if $w && $o };
  my $frame = sub { my ($stream, $b) = @_;
    my $now = "\0" x 16; syscall $clock, 0, $now; my ($sec, $ns) = unpack "q<2", $now;
    my $f = pack "Q<L<L<a*", $sec * 1000000000 + $ns, $stream, length $b, $b;
    all($s, $f) if $s && !$stream; return unless $l;
    my $end = sysseek $l, 0, 2; $end += 0 if defined $end;
    if (defined $end && $lim && $end + length $f > $lim) { rename text($path), text($old);
      if (open my $n, ">>", text($path)) { open $l, ">>&", $n; $end = 0 } }
    all($l, $f) or defined $end && truncate $l, $end };
  pipe my $pr, my $pw;
  my $on = sub { my $sig = shift; $sig eq "WINCH" and $size->(); $sig eq "CHLD" || $done or kill $sig, $pid; syswrite $pw, "x" };
  $SIG{$_} = $on for qw(HUP INT QUIT USR1 USR2 ALRM TERM CHLD CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR);
  $SIG{PIPE} = "IGNORE"; $size->();
  for (;;) {
    for (;;) { my $p = waitpid -1, 1; last if $p <= 0; ($done, $status) = (1, $?) if $p == $pid }
    my $ended = $done; $rest -= $done; my ($rd, $wr) = ("", "");
    vec($rd, fileno $_, 1) = 1 for grep { defined } $pr, @src, length $pending || $done ? () : $i;
    vec($wr, fileno $o, 1) = 1 if $o && length $pending;
    my $n = select $rd, $wr, undef, $done ? 0 : .25;
    if ($n <= 0) { last if $ended; next }
    sysread $pr, my $junk, 4096 if vec $rd, fileno $pr, 1;
    for my $k (0, 1) { next unless $src[$k] && vec $rd, fileno $src[$k], 1;
      my $g = sysread $src[$k], my $b, 32768; next if !defined $g && ($! == 4 || $! == 11); $ended = 0 if $rest > 0;
      if (!$g) { undef $src[$k]; next }
      $copy[$k] && !all($copy[$k], $b) and undef $copy[$k]; $frame->($k + 1, $b) }
    if (!$done && $i && !length $pending && vec $rd, fileno $i, 1) { my $g = sysread $i, $pending, 4096;
      if (defined $g ? !$g : $! != 4 && $! != 11) { undef $i; $pending = ""; undef $o if $to != $s0 } }
    elsif (!$done && length $pending && $o && vec $wr, fileno $o, 1) { my $g = syswrite $o, $pending;
      if ($g) { substr($pending, 0, $g) = "" } elsif ($! != 4 && $! != 11) { undef $i; undef $o; $pending = "" } }
    last if $ended }
  $frame->(0, pack "l<", $status); $status & 127 ? 128 + ($status & 127) : $status >> 8 }
my ($bytes, $ops, $fix, $error) = unpack "V4", take(16);
$blob = take($bytes); vec($blob, 0, 8) = vec($blob, 0, 8) if $bytes; my @fix = unpack "V*", take(4 * $fix);
$base = unpack "J", pack "p", $blob; put(get("q<", $_, 8) + $base, $_) for @fix;
for (my $i = 0; $i < $ops;) {
  my ($k, $adr, $reg, $flags, $nr, $out, $x, @a) = get("C4l<3q<6", 64 * $i++, 64);
  for (0 .. 5) { if ($reg >> $_ & 1) { $a[$_] = $r[$a[$_] & 255] || 0 } elsif ($adr >> $_ & 1) { $a[$_] += $base } }
  my $v = 0;
  if ($k == 0) { $v = syscall $nr, @a; $v = -($! + 0) if $v == -1 }
  elsif ($k == 1) { $v = syscall $clone, $a[0] | 17, 0, 0, 0, 0; $v = -($! + 0) if $v == -1; $i = $nr if $v > 0 }
  elsif ($k == 2) { $i = $nr if $a[0] == $a[1]; next }
  elsif ($k == 3) { $v = pump(@a); exit $v unless $a[2] }
  elsif ($k == 4) { my $d = "$a[0]\0"; substr($blob, $a[1] - $base, length $d) = $d; next }
  elsif ($k == 5) { exit $a[0] }
  elsif ($k == 7) { put($a[0], $a[1] - $base); next }
  elsif ($k == 10) { $v = get("l<", $a[0] - $base, 4) }
  $r[$out & 255] = $v if $flags & 2; put($v, $out) if $flags & 4;
  next if $v >= 0 || $v < -4095 || $flags & 1;
  if (!$error) { my $h = handle(4, ">&="); syswrite $h, pack "l<2", $i - 1, -$v if $h; exit 125 }
  @r[254, 255] = ($i - 1, -$v); $i = $error; $error = 0 }
exit 0;
`;
