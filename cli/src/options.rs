//! What may be said on the command line.

use crate::cost::Load;
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
    /// Store old notifications from a file of JSON lines, without pushing them
    Import(Import),
    /// Write the notifications of all users, or of one, as JSON lines
    Export(Export),
    /// Print what a month costs on AWS, line by line, and what would save most
    Cost(Load),
    /// Examine the running local stack, or a deployed one, and say what is wrong and how it is mended
    Doctor(Doctor),
}

/// Which table a command works on.
#[derive(Args)]
pub struct Place {
    /// The table, on AWS by the credentials and `AWS_REGION` in the environment [default: the running local stack's]
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Where DynamoDB answers, if not where AWS has it
    #[arg(long, value_name = "URL", requires = "table")]
    pub endpoint: Option<String>,
    /// The data folder of the running local stack [default: .local beside template.yaml]
    #[arg(long, value_name = "DIR", conflicts_with = "table")]
    pub data: Option<PathBuf>,
}

#[derive(Args)]
pub struct Import {
    /// One notification a line; docs/MIGRATION.md has the fields
    pub file: PathBuf,
    #[command(flatten)]
    pub place: Place,
    /// The most lines a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// How long after its `created_at` a notification is kept whose line does not say it
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=730))]
    pub keep_days: u32,
    /// What remembers how far it is [default: FILE.state]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

#[derive(Args)]
pub struct Export {
    /// The file to write, which may not be there [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Of this user alone
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    #[command(flatten)]
    pub place: Place,
    /// The most rows read in a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Parts of the table that are read side by side [default: 8, on this machine 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=64))]
    pub segments: Option<i32>,
}

#[derive(Args)]
pub struct Doctor {
    /// The `CloudFormation` stack, by the credentials in the environment [default: the running local stack]
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
    /// Its region [default: `AWS_REGION`]
    #[arg(long, value_name = "NAME", requires = "stack")]
    pub region: Option<String>,
    /// The data folder of the running local stack [default: .local beside template.yaml]
    #[arg(long, value_name = "DIR", conflicts_with = "stack")]
    pub data: Option<PathBuf>,
    /// A file with a token of a user
    #[arg(long, value_name = "FILE")]
    pub user_token: Option<PathBuf>,
    /// A file with a token of a backend service that creates notifications
    #[arg(long, value_name = "FILE")]
    pub producer_token: Option<PathBuf>,
    /// A file with a token of an administrator
    #[arg(long, value_name = "FILE")]
    pub admin_token: Option<PathBuf>,
    /// Send a test push to the device with this token of Google's or Apple's [default: only to a phone of the local stack]
    #[arg(long, value_name = "TOKEN", requires = "platform")]
    pub send: Option<String>,
    /// Which service delivers to that device
    #[arg(long, value_name = "NAME", requires = "send", value_parser = ["fcm", "apns", "apns_sandbox"])]
    pub platform: Option<String>,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches, each of its own")]
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
    /// Print one line of JSON when ready, and everything else but what `--log` asks for on standard error
    #[arg(long)]
    pub json: bool,
    /// Print every line that a function writes, after its name, on standard output
    #[arg(long)]
    pub log: bool,
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
