# Sourced, from the repository's root: starts a stack of one's own, which ends with the script. Sets `work` (a folder that goes
# with it), `target`, `api` (its address) and `token`, a function that prints a token.
target=$(realpath "${CARGO_TARGET_DIR:-target}")
work=$(mktemp -d)
stack=
finish() {
  status=$?
  if [ -n "$stack" ]; then
    kill "$stack" 2>/dev/null || true
    wait "$stack" || true
  fi
  if [ "$status" != 0 ] && [ -f "$work/log" ]; then
    cat "$work/log" >&2
  fi
  rm -r "$work"
}
trap finish EXIT
# A signal ends in the trap above too, and not with a status of 0.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkfifo "$work/ready"
"$target/debug/tidings" --json --port 0 --data "$work/.local" --binaries "$target/debug" >"$work/ready" 2>"$work/log" &
stack=$!
# A stack that does not start closes the pipe without a line.
read -r ready <"$work/ready"
api=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["api"])' "$ready")

token() {
  "$target/debug/tidings" token "$@" --data "$work/.local"
}
