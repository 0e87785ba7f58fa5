//! What may be said on the command line.

use crate::product::Holder;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Tidings, a notification service. Without a command it starts the whole service on this machine.
#[derive(Parser)]
#[command(name = "tidings", version, args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub start: Start,
}

#[derive(Subcommand)]
pub enum Command {
    /// Print a token that the local service accepts for 24 hours
    Token(Token),
}

#[derive(Args)]
pub struct Start {
    /// The port of the API and the page; 0 takes a free one
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// The folder that keeps everything between runs [default: .local beside template.yaml]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Build the functions with optimizations
    #[arg(long, conflicts_with = "binaries")]
    pub release: bool,
    /// Print one line of JSON when ready, and everything else on standard error
    #[arg(long)]
    pub json: bool,
    /// End when standard input ends, for a program that starts the service
    #[arg(long)]
    pub until_eof: bool,
    /// Use the functions' programs in this folder and build nothing
    #[arg(long, value_name = "DIR")]
    pub binaries: Option<PathBuf>,
}

#[derive(Args)]
pub struct Token {
    #[command(flatten)]
    who: Who,
    /// The folder with the key, as of the running service [default: .local beside template.yaml]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// For the user with this id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// For a backend service that creates notifications
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "producer")]
    producer: Option<String>,
    /// For an administrator
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "admin")]
    admin: Option<String>,
}

impl Token {
    /// Whose token is asked for.
    pub fn holder(&self) -> Holder<'_> {
        match (&self.who.user, &self.who.producer, &self.who.admin) {
            (Some(id), ..) => Holder::User(id),
            (_, Some(name), _) => Holder::Producer(name),
            (.., Some(name)) => Holder::Admin(name),
            (None, None, None) => unreachable!("one of the three is required"),
        }
    }
}
