# Where the records of a host lie: steps and witnesses ask this one place.

# gl_place MAKE: the folder gl_d; one that was named in gl_root is the only one that counts.
gl_place() {
  gl_d=${gl_root-}
  if [ -z "$gl_d" ]; then
    set -- "$1" ${HOME-}
    if [ $# = 2 ] && [ -d "$HOME" ]; then
      gl_d=$HOME/.golive
      [ -d "$gl_d" ] || [ "$1" = 0 ] || mkdir -m 700 "$gl_d" 2>/dev/null
    fi
    if [ -d "$gl_d" ]; then :; else
      gl_d=/var/tmp/golive-$(id -u)
      [ -d "$gl_d" ] || [ "$1" = 0 ] || mkdir -m 700 "$gl_d" 2>/dev/null
    fi
  elif [ "$1" = 1 ]; then
    [ -d "$gl_d" ] || mkdir -m 700 "$gl_d" 2>/dev/null
  fi
  #CP open1
}

# gl_ours: gl_d is a folder that only its owner can use, and this account is; else why not, in gl_l.
gl_ours() {
  set -- $(ls -ldn "$gl_d" 2>/dev/null)
  case ${1-} in
    drwx------*) ;;
    "") gl_l="there is no folder $gl_d, and none can be made: make the home folder or /var/tmp writable"; return 1 ;;
    *) gl_l="$gl_d is not a folder that only its owner can use: its mode is $1 and not drwx------"; return 1 ;;
  esac
  [ -O "$gl_d" ] 2>/dev/null || [ "$3" = "$(id -u)" ] || { gl_l="$gl_d belongs to user $3"; return 1; }
}
