//! Runs a SAM template on this machine.
