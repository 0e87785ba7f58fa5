//! `cargo run -p tests --bin reliability`: writes `docs/RELIABILITY.md`, and says what no test covers.

use std::path::Path;
use std::process::ExitCode;

use tests::reliability::{DOCUMENT, problems, render};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let written = render(&root).and_then(|page| Ok(std::fs::write(root.join(DOCUMENT), page)?));
    match written.and_then(|()| problems(&root)) {
        Ok(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            ExitCode::from(u8::from(!problems.is_empty()))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
