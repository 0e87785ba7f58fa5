//! The program `tidings`: without arguments it runs the whole service on this machine.

// Both panic when nobody reads any more.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod options;
mod product;
mod programs;
mod start;
mod welcome;
mod workspace;

use clap::Parser;
use local::{Result, Signer};
use options::{Command, Options, Token};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Some(Command::Token(token)) => print_token(token),
        None => start::run(&options.start),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            local::say(format_args!("tidings: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print_token(token: &Token) -> Result<()> {
    let data = workspace::data_folder(token.data.as_deref())?;
    std::fs::create_dir_all(&data)?;
    let token = Signer::open(&data)?.sign(&product::claims(&token.holder()));
    Ok(writeln!(std::io::stdout(), "{token}")?)
}
