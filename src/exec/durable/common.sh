# What all modes share. See mod.rs for the protocol and script.rs for how these sources become one
# line; hence: no single quote, no backslash, no exclamation mark except in a background process's
# number followed by a blank, no comment behind code.

gl_i=- gl_kn=

# gl_say WORD k=v...: one line to the client, in one write. Standard error carries the step's too.
gl_say() { echo "golive-$gl_i $*" >&2; }

# gl_die CODE text: this call started nothing.
gl_die() {
  case $1 in
    NOSPC) gl_say error "$*: make room there, or make it writable" ;;
    *) gl_say error "$@" ;;
  esac
  exit 1
}

# gl_anon: nothing can be told apart from what has its number later.
gl_anon() { gl_die IDENT "cannot tell when this process was born: mount /proc, or install a ps that knows lstart"; }

# gl_who PID: its state gl_s, group gl_g, parent gl_pp, birth gl_b; false if there is no such process.
# Of the stat line all before the last parenthesis is the name, which may hold anything.
gl_who() {
  if [ -r /proc/self/stat ]; then
    gl_l=
    [ -r "/proc/$1/stat" ] || return 1
    read -r gl_l 2>/dev/null <"/proc/$1/stat"
    case $gl_l in
      *") "*) ;;
      *) gl_l=$(cat "/proc/$1/stat" 2>/dev/null) ;;
    esac
    set -- ${gl_l##*") "}
    gl_s=${1-} gl_pp=${2-} gl_g=${3-} gl_b=${20-}
  else
    set -- $(ps -o state= -o ppid= -o pgid= -o lstart= -p "$1" 2>/dev/null)
    gl_s=${1-} gl_pp=${2-} gl_g=${3-} gl_l=
    if [ $# -gt 3 ]; then shift 3; else return 1; fi
    IFS=_
    gl_b=$*
    unset IFS
  fi
  [ "$gl_b" ]
}

# gl_is PID BIRTH: that very process lives (a zombie does not).
gl_is() {
  gl_who "$1" || return 1
  case $gl_s in
    Z|X|x) return 1 ;;
  esac
  [ "$gl_b" = "$2" ]
}

# gl_self: who this process is, gl_mp and gl_mb; in a subshell the dollar variable does not say.
gl_self() {
  if [ -r /proc/self/stat ]; then gl_who self; gl_mp=${gl_l%% *}; else gl_mp=$$; gl_who "$gl_mp"; fi
  gl_mb=$gl_b
  gl_u=$gl_mp.$gl_mb
  [ "$gl_mp" ] && [ "$gl_mb" ]
}

# gl_clock: for how many hundredths of a second the host has been up.
gl_clock() {
  gl_up=0
  [ -r /proc/uptime ] && read -r gl_up gl_l </proc/uptime
  gl_up=${gl_up%.*}${gl_up#*.}
}

# gl_now: that, and which boot this is.
gl_now() {
  gl_boot=
  [ -r /proc/sys/kernel/random/boot_id ] && read -r gl_boot </proc/sys/kernel/random/boot_id
  [ "$gl_boot" ] || gl_boot=$(sysctl -n kern.boottime 2>/dev/null | tr -dc 0-9)
  gl_boot=${gl_boot:-unknown}
  gl_clock
}

# gl_sync RUNFOLDER FILE: makes a record and the folders above it durable, in one process. Where a
# file called firm is found, the folders above were durable before it was made: a power cut that
# took them would have taken it.
gl_sync() {
  if [ -f "$1/firm" ] && sync "$2" "$1" 2>/dev/null; then gl_sy=file
  elif sync "$2" "$1" "$1/.." "$1/../.." 2>/dev/null; then
    gl_sy=file
    true 2>/dev/null >>"$1/firm"
  elif dd if=/dev/null of="$2" conv=notrunc,fsync 2>/dev/null; then gl_sy=dd
  elif sync 2>/dev/null; then gl_sy=full
  else gl_sy=none
  fi
}

# gl_nap: a moment; gl_n counts tenths of a second.
gl_nap() {
  if sleep 0.1 2>/dev/null; then gl_n=$((gl_n+1)); else sleep 1; gl_n=$((gl_n+10)); fi
}
