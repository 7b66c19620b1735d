# Keeps checkpoints of a run: its name, then four lines for each: the name of its file, its text and
# its signature with \n for each line end, and what the log is to say. One that is there already
# stays as it is.

umask 077
IFS= read -r gl_run || exit 1
gl_root=
gl_place 1
gl_ours || exit 1
gl_w=$gl_d/R/$gl_run/witness
mkdir -p "$gl_w" || exit 1
while IFS= read -r gl_n && IFS= read -r gl_b && IFS= read -r gl_g && IFS= read -r gl_t; do
  if [ -f "$gl_w/$gl_n" ]; then :; else
    printf %b "$gl_b" >"$gl_w/.$gl_n" && mv "$gl_w/.$gl_n" "$gl_w/$gl_n" || exit 1
    echo "$gl_n $(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$gl_w/arrived" || exit 1
    logger -t golive "$gl_t" >/dev/null 2>&1
  fi
  if [ -z "$gl_g" ] || [ -f "$gl_w/$gl_n.sig" ]; then :; else
    printf %b "$gl_g" >"$gl_w/.$gl_n" && mv "$gl_w/.$gl_n" "$gl_w/$gl_n.sig" || exit 1
  fi
done
exit 0
