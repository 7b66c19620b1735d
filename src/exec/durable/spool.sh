# Where the records of a host lie, and what they say.

# gl_header: reads the request line; what it does not name has its default.
gl_header() {
  gl_l=
  read -r gl_l
  set -f
  set -- $gl_l
  [ "${1-}" = golive2 ] && [ $# -ge 5 ] || gl_die BADREQ not a request of this protocol
  gl_i=$3 gl_run=$4 gl_key=$5
  [ "$2" = "$gl_mode" ] || gl_die BADREQ "$2" sent to "$gl_mode"
  case $gl_run.$gl_key in
    */*) gl_die BADREQ a name with a slash ;;
  esac
  case $gl_run in
    .*|-*) gl_die BADREQ a name that begins oddly ;;
  esac
  case $gl_key in
    .*|-?*) gl_die BADREQ a name that begins oddly ;;
  esac
  shift 5
  gl_root= gl_rid= gl_new= gl_o=0 gl_e=0 gl_dig=- gl_lines=1 gl_in=0 gl_secret=0 gl_seen= gl_after= gl_exp= gl_void=0 gl_grace=10 gl_become=0
  for gl_l do
    case $gl_l in
      root=*) gl_root=${gl_l#*=} ;;
      rootid=*) gl_rid=${gl_l#*=} ;;
      newid=*) gl_new=${gl_l#*=} ;;
      o=*) gl_o=${gl_l#*=} ;;
      e=*) gl_e=${gl_l#*=} ;;
      digest=*) gl_dig=${gl_l#*=} ;;
      lines=*) gl_lines=${gl_l#*=} ;;
      stdin=*) gl_in=${gl_l#*=} ;;
      secret=*) gl_secret=${gl_l#*=} ;;
      seen=*) gl_seen=${gl_l#*=} ;;
      after=*) gl_after=${gl_l#*=} ;;
      exp=*) gl_exp=${gl_l#*=} ;;
      void=*) gl_void=${gl_l#*=} ;;
      grace=*) gl_grace=${gl_l#*=} ;;
      become=*) gl_become=${gl_l#*=} ;;
      *) gl_die BADREQ unknown word "$gl_l" ;;
    esac
  done
  # No test of numbers: some shells take a word for the name of a variable.
  for gl_l in "$gl_o" "$gl_e" "$gl_lines" "$gl_in" "$gl_grace" "${gl_exp:-0}"; do
    case $gl_l in
      ""|*[a-zA-Z]*|*[.:=/+@_,-]*) gl_die BADREQ "not a number: $gl_l" ;;
    esac
  done
}

# gl_open MAKE: the root gl_d and its id gl_id; then says hello on both streams.
# What login scripts print on standard output lies before the line that is written there.
gl_open() {
  gl_make=$1 gl_id=
  gl_place "$1"
  [ -f "$gl_d/rootid" ] && read -r gl_id <"$gl_d/rootid"
  # A client that names its id has seen it pass: nobody but its owner can have changed its mode.
  [ -h "$gl_d" ] && gl_seen=
  if [ "$gl_id" ] && [ "$gl_id" = "$gl_seen" ] && [ -d "$gl_d" ] && [ -O "$gl_d" ] 2>/dev/null; then :; else
    gl_ours || gl_die ROOT "$gl_l"
  fi
  if [ -z "$gl_id" ] && [ "$gl_make" = 1 ]; then
    [ -z "$gl_rid" ] || gl_die ROOTID the records that were here are gone
    [ "$gl_new" ] || gl_die BADREQ no newid for a new root
    gl_self || gl_anon
    sync "$gl_d" "$gl_d/.." 2>/dev/null
    echo "$gl_new" 2>/dev/null >"$gl_d/id.$gl_u" && [ -s "$gl_d/id.$gl_u" ] || gl_die NOSPC "cannot write in $gl_d"
    #CP open2
    ln "$gl_d/id.$gl_u" "$gl_d/rootid" 2>/dev/null
    #CP open3
    rm -f "$gl_d/id.$gl_u"
    [ -f "$gl_d/rootid" ] || gl_die NOLINK "no hard links in $gl_d"
    sync "$gl_d/rootid" "$gl_d" 2>/dev/null
    read -r gl_id <"$gl_d/rootid"
  fi
  [ "$gl_id" ] || gl_die ROOTID "$gl_d has no id"
  [ -z "$gl_rid" ] || [ "$gl_rid" = "$gl_id" ] || gl_die ROOTID "the records that were here are gone; these are $gl_id"
  gl_r=$gl_d/R/$gl_run
  gl_k=$gl_r/$gl_key
  gl_now
  echo "golive-$gl_i out"
  gl_say hello "root=$gl_d" "rootid=$gl_id" "boot=$gl_boot" "up=$gl_up"
}

# gl_gate: who holds the gate of gl_k, in gl_x1.. (pid born boot nonce digest kind suppid supborn up).
gl_gate() {
  [ -f "$gl_k.x" ] || return 1
  gl_x1= gl_x2= gl_x3= gl_x4= gl_x5= gl_x6= gl_x7= gl_x8=
  read -r gl_x1 gl_x2 gl_x3 gl_x4 gl_x5 gl_x6 gl_x7 gl_x8 gl_x9 <"$gl_k.x"
  return 0
}

# gl_ended: there is an exit record; a torn one does not count. Its name is its supervisor's.
gl_ended() {
  gl_f=$gl_k.st.$gl_x7.$gl_x8
  [ -f "$gl_f" ] || return 1
  gl_l=
  read -r gl_l <"$gl_f"
  case $gl_l in
    "rc="*" out="*" err="*" up="*" .") ;;
    *) return 1 ;;
  esac
  set -- $gl_l
  gl_rc=${1#rc=} gl_up2=${4#up=} gl_st=EXITED
  if [ "$gl_rc" = void ]; then gl_st=VOID gl_rc=; fi
  return 0
}

# gl_hidden: this host hides the processes of other users, and the kernel knows a group of the step's
# number that is theirs. It may be a stranger's; but while it lives, nobody can say that the step does
# not.
gl_hidden() {
  [ "$gl_x6" = run ] && [ "$gl_x1" -gt 1 ] 2>/dev/null || return 1
  [ -r /proc/self/stat ] || return 1
  [ -r /proc/1/stat ] && return 1
  [ -r "/proc/$gl_x1/stat" ] && return 1
  case $(LC_ALL=C; kill -s 0 -- "-$gl_x1" 2>&1) in
    *ermitted*) return 0 ;;
  esac
  return 1
}

# gl_state: what is known of gl_k, in gl_st.
gl_state() {
  gl_st=ABSENT gl_rc= gl_up2= gl_x1= gl_x2= gl_x3= gl_x6=
  if gl_gate; then :; else
    set +f
    for gl_f in "$gl_k".in.*; do
      [ -f "$gl_f" ] && gl_st=STAGED
    done
    set -f
    return 0
  fi
  if [ "$gl_x6" = void ]; then gl_st=VOID; return 0; fi
  gl_ended && return 0
  if [ "$gl_x3" = "$gl_boot" ]; then
    if gl_is "$gl_x1" "$gl_x2"; then
      gl_st=ORPHAN
      gl_is "$gl_x7" "$gl_x8" && gl_st=RUNNING
    elif gl_is "$gl_x7" "$gl_x8"; then gl_st=RUNNING
    else
      gl_st=LOST
      gl_hidden && gl_st=ORPHAN
    fi
  else gl_st=REBOOTED
  fi
  # The record may have come while we looked.
  [ $gl_st = RUNNING ] || gl_ended
  return 0
}

# gl_size FILE: its length in gl_z, without reading it.
gl_size() {
  gl_z=0
  [ -s "$1" ] || return 0
  set -- $(BLOCK_SIZE=1 LS_BLOCK_SIZE=1 ls -ln "$1" 2>/dev/null)
  gl_z=${5:-0}
}

# gl_living SAY: whether the step's group has a living member (gl_grp=1); names each if SAY is set.
# Signal 0 asks the kernel first; its failure counts only when it says that there is nobody (busybox
# delivers and fails, another user may not ask).
gl_living() {
  gl_grp=0
  case $gl_st.$gl_x6 in
    VOID.*|ABSENT.*|STAGED.*|REBOOTED.*) return 0 ;;
    *.lone) if gl_is "$gl_x1" "$gl_x2"; then gl_grp=1; gl_name "$1" alive "$gl_x1"; fi; return 0 ;;
    *.run) ;;
    *) return 0 ;;
  esac
  [ "$gl_x1" -gt 1 ] 2>/dev/null || return 0
  LC_ALL=C gl_hid=
  # The supervisor takes what kill says from a file: that saves a process. (busybox says first that
  # it does not know the two dashes.)
  kill -s 0 -- "-$gl_x1" 2>/dev/null 2>"${gl_kn:-/dev/null}" || {
    gl_l= gl_f=
    [ "$gl_kn" ] && [ -s "$gl_kn" ] && { read -r gl_l; read -r gl_f; gl_l=$gl_l$gl_f; } <"$gl_kn"
    [ "$gl_l" ] || gl_l=$(kill -s 0 -- "-$gl_x1" 2>&1)
    case $gl_l in
      *"o such process"*) return 0 ;;
      *ermitted*) gl_hid=1 ;;
    esac
  }
  if [ -r /proc/self/stat ]; then
    set +f
    for gl_p in /proc/[0-9]*; do
      gl_who "${gl_p#/proc/}" || continue
      [ "$gl_g" = "$gl_x1" ] || continue
      gl_hid=
      case $gl_s in
        Z|X|x) continue ;;
      esac
      gl_grp=1
      gl_name "$1" alive "${gl_p#/proc/}"
    done
    set -f
    # There are some, and this host shows us none of them.
    if [ "$gl_hid" ]; then
      gl_grp=1 gl_s=?
      gl_l="(of another user, hidden) "
      gl_name "$1" alive "$gl_x1"
    fi
  else
    gl_grp=1
    gl_s=? gl_l=
    gl_name "$1" alive "$gl_x1"
  fi
}

# gl_name SAY WORD PID: names the process that gl_who was last asked for.
gl_name() {
  [ "$1" ] || return 0
  gl_l=${gl_l#*"("}
  gl_l=${gl_l%") "*}
  gl_say "$2" "$3" "${gl_s:-?}" "$gl_l"
}

# gl_report: the state, in one line.
gl_report() {
  gl_c=0
  [ -f "$gl_k.cancel" ] && gl_c=1
  gl_living ""
  gl_size "$gl_k.out"
  gl_zo=$gl_z
  gl_size "$gl_k.err"
  gl_say state $gl_st "pid=$gl_x1" "born=$gl_x2" "boot=$gl_x3" "group=$gl_grp" "cancel=$gl_c" "out=$gl_zo" "err=$gl_z" "rc=$gl_rc" "up=$gl_up2"
}

# gl_bar: takes the gate for nobody, so that the step of this key can never run. Who won is in gl_state.
gl_bar() {
  gl_self || gl_anon
  gl_now
  [ -d "$gl_r" ] || mkdir -p "$gl_r" 2>/dev/null || gl_die NOSPC "cannot make $gl_r"
  gl_t="$gl_mp $gl_mb $gl_boot $gl_i - void - - $gl_up"
  echo "$gl_t" 2>/dev/null >"$gl_k.v.$gl_u"
  gl_l=
  [ -f "$gl_k.v.$gl_u" ] && read -r gl_l <"$gl_k.v.$gl_u"
  [ "$gl_l" = "$gl_t" ] || gl_die NOSPC "cannot write in $gl_r"
  #CP void1
  ln "$gl_k.v.$gl_u" "$gl_k.x" 2>/dev/null || [ -f "$gl_k.x" ] || gl_die NOLINK "no hard links in $gl_r"
  #CP void2
  gl_sync "$gl_r" "$gl_k.x"
}
