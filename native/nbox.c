/*
 * nbox: performs a table of system calls. What is done and in which order is decided by the TypeScript that writes the table
 * (src/sandbox/table.ts has the format, docs/sandbox.md the reasons). No libc, no memory management, no policy.
 *
 * The table comes on fd 3, or in the file named by the first argument. Where a call fails, {s32 op, s32 errno} goes to fd 4 and
 * the exit code is 125, unless the table names an op that goes on instead.
 */
typedef unsigned char u8;
typedef int s32;
typedef unsigned u32;
typedef long s64;
typedef unsigned long u64;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, MMAP = 9, SIGPROCMASK = 14, IOCTL = 16, CLONE = 56, WAIT4 = 61, KILL = 62, FTRUNCATE = 77,
  LSEEK = 8, CLOCK = 228, EXIT = 231, OPENAT = 257, PPOLL = 271, SIGNALFD = 289, DUP3 = 292, RENAMEAT = 264, PREAD = 17, OPENAT2 = 437,
  CHOWNAT = 260, STATX = 332, GETXATTR = 193, SETXATTR = 190, NOFOLLOW = 0400000 };
static s64 sys(s64 nr, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f) {
  register s64 r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return nr;
}
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, CLOSE = 57, MMAP = 222, SIGPROCMASK = 135, IOCTL = 29, CLONE = 220, WAIT4 = 260, KILL = 129, FTRUNCATE = 46,
  LSEEK = 62, CLOCK = 113, EXIT = 94, OPENAT = 56, PPOLL = 73, SIGNALFD = 74, DUP3 = 24, RENAMEAT = 38, PREAD = 67, OPENAT2 = 437,
  CHOWNAT = 54, STATX = 291, GETXATTR = 10, SETXATTR = 7, NOFOLLOW = 0100000 };
static s64 sys(s64 nr, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f) {
  register s64 x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register s64 x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n mov x0, sp\n bl run\n");
#endif

enum { SYSCALL = 0, CLONE_CHILD = 1, JUMP_EQUAL = 2, PUMP = 3, DECIMAL = 4, LEAVE = 5, STORE = 7, LOAD32 = 10, SUPERVISE = 12 };
enum { IGNORE = 1, TO_REGISTER = 2, TO_MEMORY = 4 };
enum { ENOENT = 2, EINTR = 4, EBADF = 9, EAGAIN = 11, EFAULT = 14, ENOSYS = 38, SIGPIPE = 13, SIGCHLD = 17, SIGWINCH = 28, POLLIN = 1, POLLOUT = 4, POLLHUP = 16 };

struct header { u32 bytes, ops, fixups, onError; };
struct op { u8 kind, reloc, reg, flags; s32 nr, out, unused; s64 a[6]; };
struct pollfd { s32 fd; short events, revents; };

/* Where the pump takes bytes from and brings them to: file descriptors, -1 for none. Filled by the table. */
struct streams {
  s64 source[2], copy[2]; /* copied as they are: source[k] to copy[k] */
  s64 log, status;        /* frames: all output, and the end */
  s64 in, to;             /* input of the process */
  s64 window;             /* the terminal whose size `to` follows */
  s64 limit, path, old;   /* from so many bytes on, path is renamed to old and begun anew */
};

static s64 registers[256];
static struct { u64 ns; u32 stream, length; u8 bytes[32768]; } frame;
static u8 typed[4096];

static s64 writeAll(s64 fd, const void *bytes, s64 length) {
  const u8 *at = bytes;
  while (length > 0) {
    s64 n = sys(WRITE, fd, (s64)at, length, 0, 0, 0);
    if (n == -EAGAIN) {
      struct pollfd wait = {(s32)fd, POLLOUT, 0};
      sys(PPOLL, (s64)&wait, 1, 0, 0, 0, 0);
    } else if (n < 0 && n != -EINTR) return n;
    else if (n > 0) at += n, length -= n;
  }
  return 0;
}

/* A frame that does not fit on the disk is taken back, so that those behind it can be read. */
static void writeFrame(struct streams *s, u32 stream, s64 length) {
  s64 now[2], size = 16 + length;
  sys(CLOCK, 0, (s64)now, 0, 0, 0, 0);
  frame.ns = (u64)now[0] * 1000000000ul + (u64)now[1];
  frame.stream = stream, frame.length = (u32)length;
  if (stream == 0 && s->status >= 0) writeAll(s->status, &frame, size);
  if (s->log < 0) return;
  s64 end = sys(LSEEK, s->log, 0, 2, 0, 0, 0);
  if (end >= 0 && s->limit > 0 && end + size > s->limit) {
    sys(RENAMEAT, -100, s->path, -100, s->old, 0, 0);
    s64 fresh = sys(OPENAT, -100, s->path, 02002101, 0600, 0, 0); /* O_WRONLY O_CREAT O_APPEND O_CLOEXEC */
    if (fresh >= 0) sys(DUP3, fresh, s->log, 02000000, 0, 0, 0), sys(CLOSE, fresh, 0, 0, 0, 0, 0), end = 0;
  }
  if (writeAll(s->log, &frame, size) < 0 && end >= 0) sys(FTRUNCATE, s->log, end, 0, 0, 0, 0);
}

static void resize(struct streams *s) {
  short size[4];
  if (sys(IOCTL, s->window, 0x5413, (s64)size, 0, 0, 0) == 0) sys(IOCTL, s->to, 0x5414, (s64)size, 0, 0, 0);
}

/* Waits for a child, hands every signal on to it, moves its bytes; what it gives back is the exit code to leave with. */
static s64 pump(s64 pid, struct streams *s) {
  u64 all = ~0ul;
  s64 zero[2] = {0, 0}, pending = 0, done = 0, ended, rest = 64, r;
  s32 status = 0, now;
  sys(SIGPROCMASK, 0, (s64)&all, 0, 8, 0, 0);
  s64 signals = sys(SIGNALFD, -1, (s64)&all, 8, 02004000, 0, 0);
  if (s->window >= 0) resize(s);
  for (;;) {
    /* Asked before every poll: a child that ended before the signals were blocked is never announced. */
    while ((r = sys(WAIT4, -1, (s64)&now, 1, 0, 0, 0)) > 0)
      if (r == pid) done = 1, status = now;
    ended = done;
    rest -= done; /* who is left behind may write for ever */
    struct pollfd p[4] = {{(s32)signals, POLLIN, 0}, {(s32)s->source[0], POLLIN, 0}, {(s32)s->source[1], POLLIN, 0},
      {(s32)(pending ? s->to : s->in), (short)(pending ? POLLOUT : POLLIN), 0}};
    sys(PPOLL, (s64)p, 4, done ? (s64)zero : 0, 0, 0, 0);
    u32 info[32];
    while (sys(READ, signals, (s64)info, sizeof info, 0, 0, 0) > 0) {
      if (info[0] == SIGWINCH && s->window >= 0) resize(s);
      if (info[0] != SIGCHLD && info[0] != SIGPIPE && !done) sys(KILL, pid, info[0], 0, 0, 0, 0);
    }
    for (u32 k = 0; k < 2; k++) {
      if (!p[1 + k].revents) continue;
      s64 n = sys(READ, s->source[k], (s64)frame.bytes, sizeof frame.bytes, 0, 0, 0);
      if (n == -EINTR || n == -EAGAIN) continue;
      if (rest > 0) ended = 0;
      if (n <= 0) { s->source[k] = -1; continue; }
      if (s->copy[k] >= 0 && writeAll(s->copy[k], frame.bytes, n) < 0) s->copy[k] = -1;
      writeFrame(s, k + 1, n);
    }
    if (p[3].revents && !done) {
      if (!pending) {
        pending = sys(READ, s->in, (s64)typed, sizeof typed, 0, 0, 0);
        r = pending;
      } else {
        r = sys(WRITE, s->to, (s64)typed, pending, 0, 0, 0);
        if (r > 0) {
          pending -= r;
          for (s64 k = 0; k < pending; k++) typed[k] = typed[k + r];
        }
      }
      if (r <= 0 && r != -EINTR && r != -EAGAIN) {
        if (s->to != s->source[0]) sys(CLOSE, s->to, 0, 0, 0, 0, 0);
        s->in = s->to = -1, pending = 0;
      } else if (r < 0 && pending < 0) pending = 0;
    }
    if (ended) break;
  }
  *(s32 *)frame.bytes = status;
  writeFrame(s, 0, 4);
  return status & 127 ? 128 + (status & 127) : status >> 8 & 255;
}

static u8 *decimal(s64 value, u8 *to) {
  u8 digits[20];
  s32 n = 0;
  do digits[n++] = (u8)('0' + value % 10); while (value /= 10);
  while (n) *to++ = digits[--n];
  *to = 0;
  return to;
}

/* Where a call has what: the number of the argument; base -1 is the working directory, path -1 means that base is the file itself. */
struct rule { u32 arch; s32 nr, base, path, owner, flags; u32 ids; s32 follow; };

enum { O_PATH_CLOEXEC = 012000000, AT_CWD = -100, EMPTY_PATH = 0x1000, SYMLINK_NOFOLLOW = 0x100, IN_ROOT = 0x10 };

static struct { u64 id; u32 pid, flags; s32 nr; u32 arch; u64 ip, a[6]; } notice;
static struct { u64 id; s64 value; s32 error; u32 flags; } reply;
static u8 pathname[4097];

/* Opens PID/what of a proc, with a number behind it where that is not negative. */
static s64 openProc(s64 proc, s64 pid, const char *what, s64 number, s64 flags) {
  u8 name[64], *at = pid ? decimal(pid, name) : name;
  while (*what) *at++ = (u8)*what++;
  if (number >= 0) decimal(number, at); else *at = 0;
  return sys(OPENAT, proc, (s64)name, flags, 0, 0, 0);
}

/* The file that a call is about, as O_PATH. */
static s64 fileOf(s64 proc, struct rule *r) {
  s64 pid = notice.pid, number = r->base < 0 ? AT_CWD : (s32)notice.a[r->base], flags = r->flags < 0 ? 0 : (s64)notice.a[r->flags];
  if (r->path < 0) {
    s64 fd = number < 0 ? -EBADF : openProc(proc, pid, "/fd/", number, O_PATH_CLOEXEC);
    return fd == -ENOENT ? -EBADF : fd;
  }
  s64 memory = openProc(proc, pid, "/mem", -1, 02000000);
  if (memory < 0) return memory;
  s64 length = sys(PREAD, memory, (s64)pathname, sizeof pathname - 1, (s64)notice.a[r->path], 0, 0);
  sys(CLOSE, memory, 0, 0, 0, 0, 0);
  if (length <= 0) return -EFAULT;
  pathname[length] = 0;
  s64 absolute = pathname[0] == '/';
  s64 base = absolute ? openProc(proc, pid, "/root", -1, O_PATH_CLOEXEC) : number == AT_CWD ? openProc(proc, pid, "/cwd", -1, O_PATH_CLOEXEC)
    : number < 0 ? -EBADF : openProc(proc, pid, "/fd/", number, O_PATH_CLOEXEC);
  if (base < 0 || (!pathname[0] && flags & EMPTY_PATH)) return base;
  u64 how[3] = {O_PATH_CLOEXEC | (!r->follow || flags & SYMLINK_NOFOLLOW ? NOFOLLOW : 0), 0, absolute ? IN_ROOT : 0};
  s64 fd = sys(OPENAT2, base, (s64)pathname, (s64)how, sizeof how, 0, 0);
  sys(CLOSE, base, 0, 0, 0, 0, 0);
  return fd;
}

/* Gives the file to the one user there is, as the kernel would with all that follows, and notes on it whose it should be. */
static s64 chownAs(s64 proc, s64 fd, u32 uid, u32 gid) {
  static const char name[] = "user.nought.owner";
  static u8 facts[256];
  u32 owner[2] = {0, 0};
  s64 r = sys(CHOWNAT, fd, (s64)"", 0, 0, EMPTY_PATH, 0);
  if (r < 0) return r;
  sys(STATX, fd, (s64)"", EMPTY_PATH, 3, (s64)facts, 0);
  u32 type = *(unsigned short *)(facts + 28) >> 12;
  if (type != 8 && type != 4) return 0; /* only files and directories take notes */
  s64 file = openProc(proc, 0, "self/fd/", fd, 02004000);
  if (file < 0) return 0;
  sys(GETXATTR, file, (s64)name, (s64)owner, sizeof owner, 0, 0);
  if (uid != ~0u) owner[0] = uid;
  if (gid != ~0u) owner[1] = gid;
  sys(SETXATTR, file, (s64)name, (s64)owner, sizeof owner, 0, 0);
  sys(CLOSE, file, 0, 0, 0, 0, 0);
  return 0;
}

/* Answers the calls that change owners while there is anybody who could ask: with only one id, they cannot be left to the kernel. */
static void supervise(s64 listener, s64 proc, struct rule *rules, s64 count) {
  for (;;) {
    struct pollfd wait = {(s32)listener, POLLIN, 0};
    if (listener >= 0) sys(PPOLL, (s64)&wait, 1, 0, 0, 0, 0);
    if (listener < 0 || wait.revents & POLLHUP) return;
    for (u32 k = 0; k < sizeof notice; k++) ((volatile u8 *)&notice)[k] = 0;
    s64 r = sys(IOCTL, listener, 0xc0502100, (s64)&notice, 0, 0, 0);
    if (r == -EINTR || r == -ENOENT) continue;
    if (r < 0) return;
    r = -ENOSYS;
    for (s64 k = 0; k < count; k++) {
      struct rule *rule = rules + k;
      if (rule->arch != notice.arch || rule->nr != notice.nr) continue;
      r = fileOf(proc, rule);
      if (r < 0) break;
      u32 uid = (u32)notice.a[rule->owner] & rule->ids, gid = (u32)notice.a[rule->owner + 1] & rule->ids;
      s64 fd = r;
      r = chownAs(proc, fd, uid == rule->ids ? ~0u : uid, gid == rule->ids ? ~0u : gid);
      sys(CLOSE, fd, 0, 0, 0, 0, 0);
      break;
    }
    reply.id = notice.id, reply.error = (s32)r;
    sys(IOCTL, listener, 0xc0182101, (s64)&reply, 0, 0, 0);
  }
}

static void readAll(s64 fd, void *to, s64 length) {
  for (u8 *at = to; length > 0;) {
    s64 n = sys(READ, fd, (s64)at, length, 0, 0, 0);
    if (n == -EINTR) continue;
    if (n <= 0) sys(EXIT, 125, 0, 0, 0, 0, 0);
    at += n, length -= n;
  }
}

__attribute__((noreturn, used)) void run(s64 *stack) {
  struct header h;
  s64 fd = stack[0] > 1 ? sys(OPENAT, -100, stack[2], 02000000, 0, 0, 0) : 3;
  readAll(fd, &h, sizeof h);
  u64 size = ((u64)h.bytes + 7) & ~7ul;
  s64 base = sys(MMAP, 0, (s64)(size + 4ul * h.fixups), 3, 0x22, -1, 0);
  if (base < 0 && base > -4096) sys(EXIT, 125, 0, 0, 0, 0, 0);
  readAll(fd, (void *)base, h.bytes);
  readAll(fd, (void *)(base + (s64)size), 4l * h.fixups);
  for (u32 k = 0; k < h.fixups; k++) *(s64 *)(base + ((u32 *)(base + (s64)size))[k]) += base;
  for (u32 i = 0; i < h.ops;) {
    struct op *o = (struct op *)base + i++;
    s64 v[6], r = 0;
    for (u32 k = 0; k < 6; k++) v[k] = o->reg >> k & 1 ? registers[o->a[k] & 255] : o->a[k] + (o->reloc >> k & 1 ? base : 0);
    switch (o->kind) {
      case SYSCALL: r = sys(o->nr, v[0], v[1], v[2], v[3], v[4], v[5]); break;
      case CLONE_CHILD: r = sys(CLONE, v[0] | SIGCHLD, 0, 0, 0, 0, 0); if (r > 0) i = (u32)o->nr; break;
      case JUMP_EQUAL: if (v[0] == v[1]) i = (u32)o->nr; continue;
      case PUMP:
        r = pump(v[0], (struct streams *)v[1]);
        if (!v[2]) sys(EXIT, r, 0, 0, 0, 0, 0);
        break;
      case DECIMAL: decimal(v[0], (u8 *)v[1]); continue;
      case SUPERVISE: supervise(v[0], v[1], (struct rule *)v[2], v[3]); continue;
      case LEAVE: sys(EXIT, v[0], 0, 0, 0, 0, 0); continue;
      case STORE: *(s64 *)v[1] = v[0]; continue;
      case LOAD32: r = *(s32 *)v[0]; break;
    }
    if (o->flags & TO_REGISTER) registers[o->out & 255] = r;
    if (o->flags & TO_MEMORY) *(s64 *)(base + o->out) = r;
    if (r >= 0 || r < -4095 || o->flags & IGNORE) continue;
    if (!h.onError) {
      s32 report[2] = {(s32)i - 1, (s32)-r};
      writeAll(4, report, sizeof report);
      sys(EXIT, 125, 0, 0, 0, 0, 0);
    }
    registers[254] = i - 1, registers[255] = -r;
    i = h.onError, h.onError = 0;
  }
  sys(EXIT, 0, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}
