//! Whether a page and a search take longer when there is more in the table.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::client::Client;
use crate::programs::Programs;
use crate::runtime::{How, Table, Work};
use crate::table::{Row, float, median, time};
use crate::{Outcome, events};

/// Rows of the small table.
const FEW: u64 = 1_000;
/// Requests before processor time is taken, and while it is: half of one inbox and subject, half of others.
const WARM_UP: usize = 64;
const TIMED: usize = 256;
const TURNS: usize = 7;

/// A table in a process of its own, which ends with this.
struct Engine {
    process: Child,
    _stdin: Option<ChildStdin>,
    table: Table,
    rows: u64,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Engine {
    fn start(programs: &Programs, rows: u64) -> Outcome<Engine> {
        let mut engine = Command::new(programs.file("engine"));
        engine.arg(rows.to_string());
        engine.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = engine.spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("no output")?;
        let stdin = process.stdin.take();
        BufReader::new(output).read_line(&mut line)?;
        let pid = process.id();
        let address = line.trim().parse();
        let address = address.map_err(|_| format!("the table of {rows} rows did not start"))?;
        Ok(Engine {
            process,
            _stdin: stdin,
            table: Table { address, pid },
            rows,
        })
    }

    fn bare_page(&self) -> Outcome<f64> {
        let (status, body) = Client::new(self.table.address)?.ask("GET /bare-page", "", "")?;
        let body = String::from_utf8(body)?;
        match status {
            200 => Ok(float(body.parse()?)),
            _ => Err(body.into()),
        }
    }

    /// What half of the requests are of, and all the others of the rest: so many names.
    fn names(&self, first: &str, others: &str) -> Vec<String> {
        let count = (self.rows / 160).max(1);
        let names = (0..u64::try_from(WARM_UP).unwrap_or(1)).map(|number| match number % 2 {
            0 => first.to_owned(),
            _ => format!("{others}{}", number * 7_919 % count),
        });
        names.collect()
    }

    /// The requests for a page of the inbox, and the searches.
    fn works(&self, programs: &Programs) -> Outcome<[Work; 2]> {
        let users = self.names("ana", "user").into_iter();
        let pages = users.map(|user| events::page_of(&programs.root, &user));
        let subjects = self.names("video:42", "video:other").into_iter();
        let searches = subjects.map(|subject| events::search(&programs.root, &subject));
        let work = |name, events| Work {
            name,
            program: programs.file(name),
            script: None,
            events,
            // There is more than what fits.
            expected: "\\\"has_more\\\":true",
            is_secure: false,
            table: Some(self.table),
        };
        Ok([
            work("read-inbox", pages.collect::<Outcome<_>>()?),
            work("ingest-events", searches.collect::<Outcome<_>>()?),
        ])
    }
}

/// What was measured with one table, a figure for each turn: page and search, each of the function with the table and of the
/// table alone, then SQLite's page.
type Figures = [Vec<f64>; 5];

fn turn(programs: &Programs, engine: &Engine, figures: &mut Figures) -> Outcome<()> {
    for (place, work) in engine.works(programs)?.iter().enumerate() {
        let marks = programs.run(work, WARM_UP + TIMED, How::Plain)?.marks;
        let (before, after) = (marks[WARM_UP], marks[WARM_UP + TIMED]);
        let each = |used: u64| float(used) / float(u64::try_from(TIMED).unwrap_or(1));
        let table = each(after.table - before.table);
        figures[2 * place].push(each(after.cpu - before.cpu) + table);
        figures[2 * place + 1].push(table);
    }
    figures[4].push(engine.bare_page()?);
    Ok(())
}

/// A page and a search in a small table and in a large one, in turn.
pub fn growth(programs: &Programs) -> Outcome<Vec<Row>> {
    programs.build_stack()?;
    let engines = [
        Engine::start(programs, FEW)?,
        Engine::start(programs, programs.rows)?,
    ];
    let mut figures = [Figures::default(), Figures::default()];
    for _ in 0..TURNS {
        for (engine, figures) in engines.iter().zip(&mut figures) {
            turn(programs, engine, figures)?;
        }
    }
    let [few, many] = figures.map(|figures| figures.map(median));
    let names = [
        ("a page of 25, function and table", Some(2.0)),
        ("the table's part of it", None),
        ("a search of events, function and table", Some(2.0)),
        ("the table's part of it", None),
        ("25 rows by their key in SQLite alone", None),
    ];
    let rows = names.into_iter().zip(few.into_iter().zip(many));
    let rows = rows.map(|((what, most), (few, many))| Row {
        line: "P13",
        what: format!("{what}, {} rows", programs.rows),
        peer: format!("{FEW} rows: {}", time(few)),
        ours: time(many),
        ratio: Some(many / few),
        target: most.map_or_else(String::new, |most: f64| format!("≤ {most}×")),
        is_met: most.map(|most| many / few <= most),
    });
    Ok(rows.collect())
}
