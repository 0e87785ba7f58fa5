//! The program `tidings`: without arguments it runs the whole service on this machine.

// Both panic when nobody reads any more.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod cost;
mod doctor;
mod export;
mod import;
mod journal;
mod lines;
mod options;
mod place;
mod product;
mod programs;
mod progress;
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
        Some(Command::Token(token)) => print_token(token).map(|()| ExitCode::SUCCESS),
        Some(Command::Import(options)) => import::run(options),
        Some(Command::Export(options)) => export::run(options),
        Some(Command::Cost(load)) => print_cost(load).map(|()| ExitCode::SUCCESS),
        Some(Command::Doctor(options)) => doctor::run(options),
        None => start::run(&options.start).map(|()| ExitCode::SUCCESS),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            local::say(format_args!("tidings: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print_cost(load: &cost::Load) -> Result<()> {
    Ok(write!(std::io::stdout(), "{}", cost::report(load)?)?)
}

fn print_token(token: &Token) -> Result<()> {
    let data = workspace::data_folder(token.data.as_deref())?;
    std::fs::create_dir_all(&data)?;
    let token = Signer::open(&data)?.sign(&product::claims(&token.holder()));
    Ok(writeln!(std::io::stdout(), "{token}")?)
}
