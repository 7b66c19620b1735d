/* killat init CMD...: runs CMD as the first process of a PID namespace, and buries its orphans.
   killat trace REPORT TARGET HOW CMD...: runs CMD and all that comes of it under ptrace.

   A process is named by its place in the tree: `m` the first, `m.2` its second child, and so on;
   so a name and a count say one point in the life of one program, whatever runs beside it.
   TARGET is `NAME:K`: at the entry of the K-th system call of process NAME that changes anything,
   that process (HOW p) or all of them (HOW t) are killed; `-` only counts. REPORT gets
   `killed NAME K CALL` at once, and at the end `NAME COUNT PROGRAM` for each process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX 4096
struct proc { pid_t pid; int live, named, insys, waiting, children; long count; char name[120], program[32]; };
static struct proc procs[MAX];
static int used;

static struct proc *find(pid_t pid) {
  for (int i = 0; i < used; i++) if (procs[i].live && procs[i].pid == pid) return &procs[i];
  if (used == MAX) exit(99);
  struct proc *it = &procs[used++];
  memset(it, 0, sizeof *it);
  it->pid = pid; it->live = 1;
  return it;
}

static int changes(struct user_regs_struct *r) {
  switch (r->orig_rax) {
  case SYS_openat: return (r->rdx & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
  case SYS_open: return (r->rsi & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
  case SYS_write: case SYS_writev: case SYS_pwrite64: case SYS_rename: case SYS_renameat: case SYS_renameat2:
  case SYS_link: case SYS_linkat: case SYS_mkdir: case SYS_mkdirat: case SYS_unlink: case SYS_unlinkat:
  case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: case SYS_execve: case SYS_setsid:
  case SYS_exit_group: case SYS_fsync: case SYS_fdatasync: case SYS_sync: case SYS_syncfs: case SYS_ftruncate:
  case SYS_dup2: case SYS_kill: case SYS_copy_file_range: case SYS_sendfile: case SYS_splice: return 1;
  }
  return 0;
}

static void go(struct proc *it, int sig) { ptrace(PTRACE_SYSCALL, it->pid, 0, sig); }

static void program(struct proc *it) {
  char path[64]; snprintf(path, sizeof path, "/proc/%d/comm", it->pid);
  FILE *f = fopen(path, "r");
  if (f) { if (fgets(it->program, sizeof it->program, f)) it->program[strcspn(it->program, "\n")] = 0; fclose(f); }
}

static int init(char **argv) {
  FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");
  if (f) { fputs("300", f); fclose(f); } /* As on a host: some programs take small numbers for signals. */
  pid_t first = fork();
  if (!first) { execvp(argv[0], argv); _exit(127); }
  int status = 0;
  for (;;) {
    int s; pid_t pid = waitpid(-1, &s, 0);
    if (pid == first) { status = s; break; }
    if (pid < 0 && errno != EINTR) break;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "init")) return init(argv + 2);
  if (argc < 6) return 98;
  char target[120] = ""; long at = 0;
  char *colon = strrchr(argv[3], ':');
  if (colon) { snprintf(target, sizeof target, "%.*s", (int)(colon - argv[3]), argv[3]); at = atol(colon + 1); }
  int report = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), killed = 0;
  pid_t first = fork();
  if (!first) { ptrace(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP); execvp(argv[5], argv + 5); _exit(127); }
  /* The streams are the program's alone: when it and its children are gone, they are at their end. */
  int null = open("/dev/null", O_RDWR); dup2(null, 0); dup2(null, 1); dup2(null, 2);
  int status; waitpid(first, &status, 0);
  ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
  struct proc *m = find(first); m->named = 1; strcpy(m->name, "m"); go(m, 0);
  int code = 0, live = 1;
  while (live) {
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0) { if (errno == EINTR) continue; break; }
    struct proc *it = find(pid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (pid == first) code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      it->live = 0; live = 0;
      for (int i = 0; i < used; i++) live += procs[i].live;
      continue;
    }
    if (!WIFSTOPPED(status)) continue;
    int sig = WSTOPSIG(status), event = status >> 16;
    if (killed && argv[4][0] == 't') { kill(pid, SIGKILL); continue; }
    if (!it->named) { it->waiting = 1; continue; } /* Its parent has yet to say whose it is. */
    if (sig == (SIGTRAP | 0x80)) {
      it->insys = !it->insys;
      struct user_regs_struct regs;
      if (it->insys && !ptrace(PTRACE_GETREGS, pid, 0, &regs) && changes(&regs)) {
        it->count++;
        program(it);
        if (!killed && it->count == at && !strcmp(it->name, target)) {
          killed = 1;
          dprintf(report, "killed %s %ld %lld\n", it->name, at, (long long)regs.orig_rax);
          if (argv[4][0] == 't') { for (int i = 0; i < used; i++) if (procs[i].live) kill(procs[i].pid, SIGKILL); }
          else kill(pid, SIGKILL);
          continue;
        }
      }
      go(it, 0);
    } else if (sig == SIGTRAP && event) {
      if (event == PTRACE_EVENT_EXEC) it->insys = 1;
      else {
        unsigned long child; ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
        struct proc *c = find((pid_t)child);
        it = find(pid);
        c->named = 1; it->children++;
        snprintf(c->name, sizeof c->name, "%.100s.%d", it->name, it->children);
        if (killed && argv[4][0] == 't') kill(c->pid, SIGKILL);
        if (c->waiting) { c->waiting = 0; go(c, 0); }
      }
      go(it, 0);
    } else go(it, sig == SIGSTOP ? 0 : sig);
  }
  for (int i = 0; i < used; i++)
    if (procs[i].named) dprintf(report, "%s %ld %s\n", procs[i].name, procs[i].count, procs[i].program);
  dprintf(report, "end\n");
  return code;
}
