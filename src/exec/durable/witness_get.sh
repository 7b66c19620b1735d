# Prints all checkpoints that the host keeps of the run that its first line names; 3 if there are none.

IFS= read -r gl_run || exit 3
gl_root=
gl_place 0
gl_ours || exit 3
cd "$gl_d/R/$gl_run/witness" 2>/dev/null || exit 3
for gl_n in [0-9]*; do
  if [ -f "$gl_n" ]; then
    echo "== $gl_n"
    cat "$gl_n"
  fi
done
if [ -f arrived ]; then
  echo "== arrived"
  cat arrived
fi
exit 0
