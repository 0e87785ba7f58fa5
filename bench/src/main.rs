//! `cargo run --release -p bench`: how fast and how small the functions are, beside programs that do less, and what the tests and the
//! command line count.
//!
//! Each program is run as Lambda runs it, against a Runtime API, a DynamoDB and an SNS of this process. Instructions are counted by
//! callgrind, as the difference of two runs where it is one request that counts; processor time is the kernel's, the programs in
//! turn, and the median of the turns.

mod client;
mod cloud;
mod events;
mod growth;
mod http;
mod lines;
mod page;
mod peers;
mod programs;
mod requests;
mod rows;
mod runtime;
mod share;
mod stack;
mod start;
mod suite;
mod table;
mod tls;

use std::process::ExitCode;

/// What can go wrong is told, and ends the program.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: bench [--accept] [--only LINE] [--rows NUMBER]
Measures every line and writes docs/PERFORMANCE.md, or measures one and writes nothing. What takes more than 2 % more
instructions or bytes than the page says is a failure, and the page stays as it is; --accept writes it all the same. The
large table of P13 has 1000000 rows unless another number is said, with which nothing is written.";

/// What is to be done.
struct Options {
    accepts: bool,
    only: Option<String>,
    rows: Option<u64>,
}

fn options() -> Option<Options> {
    let mut options = Options {
        accepts: false,
        only: None,
        rows: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--accept" => options.accepts = true,
            "--only" => options.only = Some(arguments.next()?),
            "--rows" => options.rows = Some(arguments.next()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        return refuse(USAGE);
    };
    let only = options.only.as_deref();
    if only.is_some_and(|only| lines::ALL.iter().all(|line| line.name != only)) {
        let known: Vec<&str> = lines::ALL.iter().map(|line| line.name).collect();
        return refuse(&format!("the lines are {}", known.join(", ")));
    }
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::FAILURE
}

fn measure(options: &Options) -> Outcome<()> {
    let programs = programs::build(options.rows.unwrap_or(1_000_000))?;
    let only = options.only.as_deref();
    let mut rows = Vec::new();
    for line in lines::ALL {
        if only.is_none_or(|only| only == line.name) {
            eprintln!("{}: {}", line.name, line.what);
            rows.extend((line.measure)(&programs)?);
        }
    }
    let table = table::markdown(&rows);
    print!("{table}");
    for skipped in &programs.peers.skipped {
        println!("left out: {skipped}");
    }
    let worse = page::worse(&programs.root, &rows)?;
    if !worse.is_empty() && !options.accepts {
        return Err(format!("more than on the page:\n{}", worse.join("\n")).into());
    }
    if only.is_none() && options.rows.is_none() {
        page::write(&programs, &rows, &table)?;
    }
    Ok(())
}
