"""Numbers of Linux system calls, and which of them a worker keeps or loses.

Source: the kernel's own tables, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from typing import Final

_X86_64: Final = """
    read=0 write=1 open=2 close=3 fstat=5 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11 brk=12 rt_sigaction=13
    rt_sigprocmask=14 rt_sigreturn=15 pread64=17 readv=19 sched_yield=24 mremap=25 madvise=28 shmget=29 shmat=30
    dup=32 getpid=39 socket=41 connect=42 accept=43 sendto=44 recvfrom=45 sendmsg=46 recvmsg=47 bind=49 listen=50
    getpeername=52 socketpair=53 setsockopt=54 clone=56 exit=60 kill=62 uname=63 semget=64 msgget=68 fcntl=72
    truncate=76 ftruncate=77 getcwd=79 rename=82 mkdir=83 rmdir=84 creat=85 link=86 unlink=87 symlink=88 chmod=90
    fchmod=91 chown=92 fchown=93 lchown=94 getrusage=98 sysinfo=99 ptrace=101 getuid=102 geteuid=107
    rt_sigqueueinfo=129 sigaltstack=131 utime=132 mknod=133 pivot_root=155 chroot=161 acct=163 mount=165 umount2=166
    swapon=167 swapoff=168 reboot=169 sethostname=170 setdomainname=171 init_module=175 delete_module=176 quotactl=179
    gettid=186 setxattr=188 lsetxattr=189 fsetxattr=190 removexattr=197 lremovexattr=198 fremovexattr=199 tkill=200
    futex=202 sched_getaffinity=204 io_setup=206 clock_gettime=228 clock_getres=229 exit_group=231 tgkill=234
    utimes=235 mq_open=240 mq_unlink=241 kexec_load=246 add_key=248 request_key=249 keyctl=250 ioprio_set=251
    openat=257 mkdirat=258 mknodat=259 fchownat=260 futimesat=261 newfstatat=262 unlinkat=263 renameat=264 linkat=265
    symlinkat=266 fchmodat=268 ppoll=271 unshare=272 set_robust_list=273 utimensat=280 fallocate=285 accept4=288
    preadv=295 rt_tgsigqueueinfo=297 perf_event_open=298 recvmmsg=299 fanotify_init=300 prlimit64=302
    name_to_handle_at=303 open_by_handle_at=304 sendmmsg=307 setns=308 process_vm_readv=310 process_vm_writev=311
    kcmp=312 finit_module=313 renameat2=316 getrandom=318 memfd_create=319 kexec_file_load=320 bpf=321 userfaultfd=323
    membarrier=324 copy_file_range=326 rseq=334 clone3=435
"""
_AARCH64: Final = """
    io_setup=0 setxattr=5 lsetxattr=6 fsetxattr=7 removexattr=14 lremovexattr=15 fremovexattr=16 getcwd=17 dup=23
    fcntl=25 ioprio_set=30 mknodat=33 mkdirat=34 unlinkat=35 symlinkat=36 linkat=37 renameat=38 umount2=39 mount=40
    pivot_root=41 truncate=45 ftruncate=46 fallocate=47 chroot=51 fchmod=52 fchmodat=53 fchownat=54 fchown=55
    openat=56 close=57 quotactl=60 lseek=62 read=63 write=64 readv=65 pread64=67 preadv=69 ppoll=73 newfstatat=79
    fstat=80 utimensat=88 acct=89 exit=93 exit_group=94 unshare=97 futex=98 set_robust_list=99 kexec_load=104
    init_module=105 delete_module=106 clock_gettime=113 clock_getres=114 ptrace=117 sched_getaffinity=123
    sched_yield=124 kill=129 tkill=130 tgkill=131 sigaltstack=132 rt_sigaction=134 rt_sigprocmask=135
    rt_sigqueueinfo=138 rt_sigreturn=139 reboot=142 uname=160 sethostname=161 setdomainname=162 getrusage=165
    getpid=172 getuid=174 geteuid=175 gettid=178 sysinfo=179 mq_open=180 mq_unlink=181 msgget=186 semget=190
    shmget=194 shmat=196 socket=198 socketpair=199 bind=200 listen=201 accept=202 connect=203 getpeername=205
    sendto=206 recvfrom=207 setsockopt=208 sendmsg=211 recvmsg=212 brk=214 munmap=215 mremap=216 add_key=217
    request_key=218 keyctl=219 clone=220 mmap=222 swapon=224 swapoff=225 mprotect=226 madvise=233
    rt_tgsigqueueinfo=240 perf_event_open=241 accept4=242 recvmmsg=243 prlimit64=261 fanotify_init=262
    name_to_handle_at=264 open_by_handle_at=265 setns=268 sendmmsg=269 process_vm_readv=270 process_vm_writev=271
    kcmp=272 finit_module=273 renameat2=276 getrandom=278 memfd_create=279 bpf=280 userfaultfd=282 membarrier=283
    copy_file_range=285 rseq=293 kexec_file_load=294 clone3=435
"""
_BOTH: Final = """
    pidfd_send_signal=424 io_uring_setup=425 io_uring_enter=426 io_uring_register=427 open_tree=428 move_mount=429
    fsopen=430 fsconfig=431 fsmount=432 fspick=433 pidfd_open=434 openat2=437 pidfd_getfd=438 process_madvise=440
    mount_setattr=442 landlock_create_ruleset=444 landlock_add_rule=445 landlock_restrict_self=446 memfd_secret=447
    fchmodat2=452
"""
_ARCHES: Final = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}

_COMPUTING: Final = """
    getcwd getuid geteuid uname sysinfo set_robust_list read readv pread64 preadv write close fstat newfstatat lseek
    mmap mremap munmap mprotect madvise brk futex membarrier rseq rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack
    poll ppoll sched_yield sched_getaffinity clock_gettime clock_getres getrandom getpid gettid getrusage prlimit64
    dup fcntl sendto sendmsg recvfrom recvmsg exit exit_group
"""
COMPUTING: Final = tuple(_COMPUTING.split())
"""What decoding a file that is open already takes; everything else is refused to a worker for pictures."""

_REACHING: Final = """
    socket socketpair bind listen accept accept4 connect getpeername setsockopt recvmmsg sendmmsg ptrace
    process_vm_readv process_vm_writev process_madvise kcmp pidfd_open pidfd_getfd pidfd_send_signal kill tkill tgkill
    rt_sigqueueinfo rt_tgsigqueueinfo mount umount2 pivot_root chroot unshare setns open_tree move_mount fsopen
    fsconfig fsmount fspick mount_setattr swapon swapoff reboot sethostname setdomainname acct quotactl init_module
    finit_module delete_module kexec_load kexec_file_load bpf perf_event_open userfaultfd fanotify_init
    name_to_handle_at open_by_handle_at add_key request_key keyctl io_setup io_uring_setup io_uring_enter
    io_uring_register memfd_create memfd_secret mq_open mq_unlink msgget semget shmget shmat creat truncate ftruncate
    fallocate copy_file_range rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat
    rmdir mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
    setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
"""
REACHING: Final = tuple(_REACHING.split())
"""What writes, connects, or reaches other processes or the system; refused to a worker for films and its ffmpeg."""


def of(machine: str) -> dict[str, int] | None:
    """Numbers by name for `platform.machine()`, with `AUDIT_ARCH` for filters; None for machines without a table."""
    if machine not in _ARCHES:
        return None
    arch, table = _ARCHES[machine]
    pairs = (each.split("=") for each in (table + _BOTH).split())
    return {name: int(number) for name, number in pairs} | {"AUDIT_ARCH": arch}
