//! `docs/RELIABILITY.md`: which tests cover which promise, fault and target, read off the tests' names, and the last
//! figure of each, read from `tests/figures.json`.
//!
//! A test covers the rows whose numbers its name begins with: `f22_i10_…` is a test of F22 and of I10.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The document, and where its figures are, from the root of the repository.
pub const DOCUMENT: &str = "docs/RELIABILITY.md";
const FIGURES: &str = "tests/figures.json";
/// Where tests are.
const FOLDERS: [&str; 5] = ["cli", "functions", "local", "shared", "tests"];
/// The rows there must be: their letter, how many, and what they are.
const KINDS: [(char, usize, &str); 3] = [
    ('I', 14, "Promises"),
    ('F', 61, "Faults and bad input"),
    ('G', 14, "Targets"),
];

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One test.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// Its crate, its modules and its name, as in `shared::page::tests::f42_…`.
    pub path: String,
    /// Whether only the feature `proof` has it.
    pub proof: bool,
}

impl Test {
    fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    /// The rows that it covers, as its name says.
    pub fn rows(&self) -> Vec<String> {
        let is_row = |word: &&str| {
            word.strip_prefix(['f', 'g', 'i'])
                .is_some_and(|number| number.parse::<u8>().is_ok())
        };
        let words = self.name().split('_').take_while(is_row);
        words.map(str::to_uppercase).collect()
    }
}

/// All tests of the repository, in the order of their paths.
pub fn tests(root: &Path) -> Outcome<Vec<Test>> {
    let main = fs::read_to_string(root.join("tests/it/main.rs"))?;
    let behind = behind_proof(&main);
    let mut files = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), &mut files)?;
    }
    let mut tests = Vec::new();
    for file in files {
        let path = file.strip_prefix(root)?.to_string_lossy().into_owned();
        let module = module(&path);
        let proof = behind.iter().any(|name| {
            let whole = format!("it::{name}");
            module == whole || module.starts_with(&format!("{whole}::"))
        });
        for (name, own, inner) in named(&fs::read_to_string(&file)?) {
            let inner = if inner { "::tests" } else { "" };
            tests.push(Test {
                path: format!("{module}{inner}::{name}"),
                proof: proof || own,
            });
        }
    }
    tests.sort();
    Ok(tests)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The modules of the integration tests that only the feature `proof` has.
fn behind_proof(main: &str) -> Vec<&str> {
    let parts = main.split("#[cfg(feature = \"proof\")]\nmod ").skip(1);
    parts.filter_map(|part| part.split(';').next()).collect()
}

/// A file's module, as the test runner's output has it behind the name of the program.
fn module(path: &str) -> String {
    let path = path.strip_prefix("tests/").unwrap_or(path);
    let path = path.strip_prefix("functions/").unwrap_or(path);
    let path = path.trim_end_matches(".rs").replace('-', "_");
    let words = path.split('/').filter(|word| *word != "src");
    let words: Vec<&str> = words.collect();
    let end = match words.last() {
        Some(&("lib" | "main" | "mod")) => words.len() - 1,
        _ => words.len(),
    };
    words[..end].join("::")
}

/// The tests of a source: their names, whether they have `proof` of their own, and whether they are in a module inside.
fn named(source: &str) -> Vec<(&str, bool, bool)> {
    let mut found = Vec::new();
    let (mut test, mut proof) = (false, false);
    for line in source.lines() {
        let code = line.trim_start();
        test |= code.starts_with("#[test]") || code.starts_with("#[tokio::test");
        proof |= code.starts_with("#[cfg(feature = \"proof\")]");
        if code.starts_with("#[") || code.starts_with("//") {
            continue;
        }
        let signature = code.strip_prefix("async ").unwrap_or(code);
        if test && let Some(rest) = signature.strip_prefix("fn ") {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            found.push((name, proof, code.len() < line.len()));
        }
        (test, proof) = (false, false);
    }
    found
}

/// The rows with their figures.
fn figures(root: &Path) -> Outcome<Vec<Value>> {
    let text = fs::read_to_string(root.join(FIGURES))?;
    Ok(serde_json::from_str(&text)?)
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

/// The tests of a row: those that carry its number, and those that the figures name for it.
fn covering<'a>(row: &Value, tests: &'a [Test]) -> Vec<&'a Test> {
    let number = text(row, "row").to_owned();
    let named = row["tests"].as_array().cloned().unwrap_or_default();
    let is_named = |test: &Test| named.iter().any(|name| name == test.path.as_str());
    let covers = |test: &&Test| is_named(test) || test.rows().contains(&number);
    tests.iter().filter(covers).collect()
}

/// What is wrong: a row that is not there or that nothing covers, a test that is named and does not exist.
pub fn problems(root: &Path) -> Outcome<Vec<String>> {
    let (tests, rows) = (tests(root)?, figures(root)?);
    let mut problems = Vec::new();
    let numbers = KINDS
        .iter()
        .flat_map(|(letter, count, _)| (1..=*count).map(move |number| format!("{letter}{number}")));
    let numbers: Vec<String> = numbers.collect();
    let there: Vec<&str> = rows.iter().map(|row| text(row, "row")).collect();
    if there != numbers {
        problems.push(format!("{FIGURES} must have {numbers:?}, in this order"));
    }
    for row in &rows {
        let number = text(row, "row");
        let covered = !covering(row, &tests).is_empty();
        if text(row, "says").is_empty() {
            problems.push(format!("{number} says nothing"));
        }
        if covered != row["missing"].is_null() {
            problems.push(format!(
                "{number} must have a test, or say what is `missing`"
            ));
        }
        for name in row["tests"].as_array().into_iter().flatten() {
            if !tests.iter().any(|test| name == test.path.as_str()) {
                problems.push(format!("{number} names {name}, which is no test"));
            }
        }
        if let Some((_, filter)) = text(row, "command").split_once(" -- ") {
            let wanted = filter.split(' ').filter(|word| !word.starts_with("--"));
            for wanted in wanted {
                if !tests.iter().any(|test| test.path.contains(wanted)) {
                    problems.push(format!("{number} has a command that runs no {wanted}"));
                }
            }
        }
    }
    for test in &tests {
        for number in test.rows().iter().filter(|row| !numbers.contains(row)) {
            problems.push(format!("{} is a test of {number}", test.path));
        }
    }
    Ok(problems)
}

/// The document.
pub fn render(root: &Path) -> Outcome<String> {
    let (tests, rows) = (tests(root)?, figures(root)?);
    let mut page = String::from(
        "# What holds, and how it was shown\n\n\
         `cargo run -p tests --bin reliability` writes this page: the tests of a row are those whose names begin with its number, and the\n\
         figures are those of `tests/figures.json`. A test fails when the page is stale. Tests with a `*` belong to the proof harness\n\
         (`cargo test --workspace --features proof`, see `docs/TESTING.md`); the others run with `cargo test --workspace`. A figure is that of the\n\
         last large run, with its command; a row without one has what its tests say, and no number beyond that.\n",
    );
    for (letter, _, title) in KINDS {
        write!(
            page,
            "\n## {title}\n\n| | what | tests | last figure |\n|---|---|---|---|\n"
        )?;
        for row in rows
            .iter()
            .filter(|row| text(row, "row").starts_with(letter))
        {
            let show = |test: &Test| {
                let path = test.path.strip_prefix("it::").unwrap_or(&test.path);
                format!("`{path}`{}", if test.proof { " *" } else { "" })
            };
            let mut cell: Vec<String> = covering(row, &tests).into_iter().map(show).collect();
            if let Some(missing) = row["missing"].as_str() {
                cell.push(format!("none: {missing}"));
            }
            let mut figure = text(row, "figure").to_owned();
            for (field, mark) in [("command", "`"), ("date", "")] {
                if let Some(value) = row[field].as_str() {
                    write!(figure, "<br>{mark}{value}{mark}")?;
                }
            }
            let (number, says) = (text(row, "row"), text(row, "says"));
            writeln!(
                page,
                "| {number} | {says} | {} | {figure} |",
                cell.join("<br>")
            )?;
        }
    }
    Ok(page)
}
