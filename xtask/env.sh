# Sourced by the Makefile: puts a Rust that rustup has just installed on the path.
[ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env" || true
