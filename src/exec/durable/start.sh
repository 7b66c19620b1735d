# Starts a step, once and for all: see mod.rs. This shell becomes its supervisor.

gl_mode=start gl_x=$3 gl_take=$4 gl_pump=
exec 3<&0
# Some systems say it without a process.
gl_um= gl_l=
[ -r /proc/self/status ] && { read -r gl_l; read -r gl_l gl_um; } 2>/dev/null </proc/self/status
[ "$gl_l" = Umask: ] || gl_um=$(umask)
umask 077

# gl_raw TEXT: its very bytes. mksh and its kin have no printf of their own; a program would show
# the text in the list of processes.
gl_raw() { printf %s "$1"; }
case ${KSH_VERSION-} in
  "@("*) gl_raw() { print -rn -- "$1"; } ;;
esac

# gl_bytes N: N bytes of standard input. Not one way after the other: a full disk is no reason to
# wait for as many bytes again.
gl_bytes() {
  if head -c 1 </dev/null >/dev/null 2>&1; then head -c "$1"; else dd bs=1 count="$1"; fi 2>/dev/null
}

# gl_lead ...: runs run.sh as the leader of a session of its own, and waits for it. What a shell
# says of a child that a signal ended must not come among the bytes of the step: while it waits, its
# standard error is nowhere, and the child finds that of the call as number 4. (Some shells do even
# the redirections of a child in themselves, hence in the child.) The mark is in its environment from
# the beginning, for what the kernel shows of that never changes, nor does it in what it forks.
gl_lead() {
  if command -v setsid >/dev/null 2>&1; then GLKEY=$gl_run/$gl_key setsid sh -c "$gl_x" sh "$@"
  elif command -v perl >/dev/null 2>&1; then GLKEY=$gl_run/$gl_key perl -e "use POSIX;POSIX::setsid();exec @ARGV or exit 71" sh -c "$gl_x" sh "$@"
  elif command -v python3 >/dev/null 2>&1; then GLKEY=$gl_run/$gl_key python3 -c "import os,sys;os.setsid();os.execvp(sys.argv[1],sys.argv[1:])" sh -c "$gl_x" sh "$@"
  else GLKEY=$gl_run/$gl_key sh -c "$gl_x" sh "$@"
  fi
}

# gl_feed: a payload that must not touch the disk.
gl_feed() {
  gl_raw "$gl_l1"
  echo
  if [ "$gl_lines" = 2 ]; then gl_raw "$gl_l2"; echo; fi
  gl_raw "${gl_text%.}"
}

# gl_run: the supervisor: runs the step in its foreground (what runs in the background ignores
# interrupts, and so would the step), then records how it ended. Signals to us are caught, not
# ignored, for the step inherits what is ignored.
gl_run() {
  trap : HUP INT TERM PIPE
  # Behind a pipe, it is another process than the one that read the request.
  [ "$gl_secret" = 0 ] || gl_self || gl_anon
  gl_sf=$gl_k.st.$gl_u
  echo "---------------------------------------------------------------------------------------------------------------------------------------------------------------" 2>/dev/null >"$gl_sf"
  [ -s "$gl_sf" ] || gl_die NOSPC "cannot reserve the exit record in $gl_r"
  #CP sup1
  set -- "$gl_r" "$gl_key" "$gl_mp" "$gl_mb" "$gl_i" "$gl_dig" "$gl_um" "$gl_take" "$gl_boot"
  {
    if [ "$gl_secret" = 1 ]; then gl_lead "$@" 3<&-
    else gl_lead "$@" 3<&- <"$gl_k.in.$gl_u"
    fi
    gl_rc=$?
  } 4>&2 2>/dev/null
  #CP sup2
  if gl_gate; then :; else
    case $gl_rc in
      73) gl_die IDENT "the process of the step cannot tell who it is" ;;
      74) gl_die NOSPC "cannot write the record in $gl_r" ;;
      76) gl_die NOLINK "no hard links in $gl_r" ;;
      *) gl_die KILLED "the process of the step ended with $gl_rc before it began" ;;
    esac
  fi
  if [ "$gl_x7.$gl_x8" = "$gl_u" ] && [ "$gl_x3" = "$gl_boot" ]; then
    if [ $gl_rc = 0 ]; then :; elif gl_ended; then gl_die CLOSED "run $gl_run was closed on this host"; fi
    # ksh93 adds 256 and yash 384 to the number of a signal, others 128.
    if [ $gl_rc -gt 383 ]; then gl_rc=$((gl_rc-256)); elif [ $gl_rc -gt 255 ]; then gl_rc=$((gl_rc-128)); fi
    gl_clock
    gl_size "$gl_k.out"
    gl_zo=$gl_z
    gl_size "$gl_k.err"
    #CP sup3
    echo "rc=$gl_rc out=$gl_zo err=$gl_z up=$gl_up ." 2>/dev/null 1<>"$gl_sf"
    #CP sup4
    gl_st=EXITED gl_kn=$gl_k.n.$gl_u
    gl_living say
    gl_say end "rc=$gl_rc" "out=$gl_zo" "err=$gl_z" "up=$gl_up"
    #CP sup5
  else
    rm -f "$gl_sf" "$gl_k.in.$gl_u"
    gl_held
  fi
}

# gl_room: the folder of an open run.
gl_room() {
  [ -f "$gl_r/closed" ] && gl_die CLOSED "run $gl_run was closed on this host"
  [ -d "$gl_r" ] || mkdir -p "$gl_r" 2>/dev/null || [ -d "$gl_r" ] || gl_die NOSPC "cannot make $gl_r"
  #CP start2
}

# gl_held: another call holds the gate: the same step, or none that this request may speak for.
gl_held() {
  case $gl_x6.$gl_x5 in
    void.*|.*|*."$gl_dig") gl_watch ;;
    *) gl_die CONFLICT "key $gl_key was used for another step" ;;
  esac
}

gl_header
gl_open 1
if [ "$gl_exp" ] && [ -r /proc/uptime ]; then
  [ "${gl_up%??}" -le "$gl_exp" ] 2>/dev/null || gl_die EXPIRED "asked for until $gl_exp s after boot, and it is ${gl_up%??} s"
fi

# All of the payload must have come before anything is decided.
gl_l1= gl_l2= gl_text=.
IFS= read -r gl_l1 || gl_die TRUNC the connection ended within the step
if [ "$gl_lines" = 2 ]; then
  IFS= read -r gl_l2 || gl_die TRUNC the connection ended within the step
fi
gl_self || gl_anon
gl_held=0
gl_gate && gl_held=1
#CP start1
if [ $gl_held = 1 ] || [ "$gl_secret" = 1 ]; then
  if [ "$gl_in" -gt 0 ]; then
    [ "$gl_in" -le 65536 ] || [ $gl_held = 1 ] || gl_die BADREQ "an input with secrets is at most 65536 bytes"
    if [ $gl_held = 1 ]; then gl_bytes "$gl_in" >/dev/null
    else
      # It keeps what a command prints in a file.
      case ${KSH_VERSION-} in
        Version*) gl_die BADREQ "the shell ksh93 cannot take an input with secrets unseen" ;;
      esac
      gl_text=$(gl_bytes "$gl_in"; echo .)
      gl_l=$(gl_raw "${gl_text%.}" | wc -c)
      [ "$((gl_l))" = "$gl_in" ] || gl_die TRUNC "of $gl_in bytes $((gl_l)) came, or some of them were NUL"
    fi
  fi
else
  gl_room
  gl_f=$gl_k.in.$gl_u
  {
    gl_raw "$gl_l1" && echo && if [ "$gl_lines" = 2 ]; then gl_raw "$gl_l2" && echo; fi
  } 2>/dev/null >"$gl_f" || gl_die NOSPC "cannot store the step in $gl_r"
  if [ "$gl_in" -gt 0 ]; then
    gl_size "$gl_f"
    gl_n=$gl_z
    #CP start3
    gl_bytes "$gl_in" >>"$gl_f"
    gl_size "$gl_f"
    [ "$gl_z" = "$((gl_n+gl_in))" ] || gl_die TRUNC "of $gl_in bytes of input $((gl_z-gl_n)) came, or could be stored"
  fi
fi
if [ $gl_held = 1 ]; then
  gl_held
  gl_stay
  exit 0
fi

# Earlier attempts must be final, or become void now.
if [ "$gl_after" ]; then
  gl_k0=$gl_k
  IFS=,
  set -- $gl_after
  unset IFS
  for gl_key do
    gl_k=$gl_r/$gl_key
    [ -f "$gl_k.x" ] || gl_bar
    gl_state
    case $gl_st in
      VOID|EXITED|LOST|REBOOTED) ;;
      *) gl_die BUSY "attempt $gl_key is $gl_st" ;;
    esac
  done
  gl_k=$gl_k0 gl_key=${gl_k0##*/}
  #CP start4
fi
if [ "$gl_secret" = 1 ]; then
  gl_room
  case ${POSH_VERSION-} in
    ?*) gl_die BADREQ "the shell posh cannot hand secrets over unseen" ;;
  esac
fi
true 2>/dev/null >>"$gl_k.out" && true 2>/dev/null >>"$gl_k.err" || gl_die NOSPC "cannot make the output files in $gl_r"
#CP start5
gl_pump "" <&3 3<&- &
gl_pump=$! 
exec 3<&- </dev/null
#CP start6
if [ "$gl_secret" = 1 ]; then gl_feed 2>/dev/null | gl_run; else gl_run; fi
gl_stay
