//! `cargo run --release -p bench`: how fast and how small the functions are, beside programs that do less.
//!
//! Each program is run as Lambda runs it, against a Runtime API, a DynamoDB and an SNS of this process. Instructions are counted by
//! callgrind, as the difference of two runs where it is one request that counts; processor time is the kernel's, the programs in
//! turn, and the median of the turns.

mod cloud;
mod events;
mod http;
mod lines;
mod page;
mod programs;
mod requests;
mod runtime;
mod start;
mod table;
mod tls;

use std::process::ExitCode;

/// What can go wrong is told, and ends the program.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: bench [--accept] [--only LINE]
Measures every line and writes docs/PERFORMANCE.md, or measures one and writes nothing. What takes more than 2 % more
instructions or bytes than the page says is a failure, and the page stays as it is; --accept writes it all the same.";

fn main() -> ExitCode {
    let mut only = None;
    let mut accepts = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--accept" => accepts = true,
            "--only" => match arguments.next() {
                Some(line) => only = Some(line),
                None => return refuse(USAGE),
            },
            _ => return refuse(USAGE),
        }
    }
    let only = only.as_deref();
    if only.is_some_and(|only| lines::ALL.iter().all(|line| line.name != only)) {
        let known: Vec<&str> = lines::ALL.iter().map(|line| line.name).collect();
        return refuse(&format!("the lines are {}", known.join(", ")));
    }
    match measure(only, accepts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

fn measure(only: Option<&str>, accepts: bool) -> Outcome<()> {
    let programs = programs::build()?;
    let mut rows = Vec::new();
    for line in lines::ALL {
        if only.is_none_or(|only| only == line.name) {
            eprintln!("{}: {}", line.name, line.what);
            rows.extend((line.measure)(&programs)?);
        }
    }
    let table = table::markdown(&rows);
    print!("{table}");
    for skipped in &programs.skipped {
        println!("left out: {skipped}");
    }
    let worse = page::worse(&programs.root, &rows)?;
    if !worse.is_empty() && !accepts {
        return Err(format!("more than on the page:\n{}", worse.join("\n")).into());
    }
    if only.is_none() {
        page::write(&programs, &table)?;
    }
    Ok(())
}
