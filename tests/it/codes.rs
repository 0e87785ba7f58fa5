//! The words by which programs tell problems apart are those of the API's document.

use std::collections::BTreeSet;

use tests::api;

use crate::document::sources;

#[test]
fn every_code_is_documented() {
    let known: BTreeSet<&str> = api::codes::RULES.iter().map(|(code, _)| *code).collect();
    let problems = api::codes::STATUSES.iter().flat_map(|(.., codes)| *codes);
    let problems: BTreeSet<&str> = problems.copied().collect();
    let mut all = BTreeSet::new();
    // Lines that are imported are nobody's request.
    let asked = sources()
        .into_iter()
        .filter(|(name, _)| name != "shared/src/moving.rs");
    for (name, text) in asked {
        for (call, position) in CALLS {
            for after in text.split(call).skip(1) {
                let code = argument(after, *position);
                for code in code.split('"').skip(1).step_by(2) {
                    assert!(known.contains(code), "{name}: {call} says {code}");
                    all.insert(code.to_owned());
                }
            }
        }
        // Of functions that answer requests.
        let answers = name.starts_with("shared/src/http")
            || name.ends_with("src/http.rs")
            || name.ends_with("page.rs")
            || name.ends_with("json.rs");
        for after in text.split("code: \"").skip(1).filter(|_| answers) {
            let code = after.split('"').next().unwrap();
            assert!(problems.contains(code), "{name} says {code}");
        }
    }
    assert!(all.len() > 15, "{all:?}");
    // And nothing else is.
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    for code in known.iter().chain(&problems) {
        assert!(text.contains(&format!("\"{code}\"")), "nobody says {code}");
    }
}

/// Where codes are told, and as which argument.
const CALLS: &[(&str, usize)] = &[
    ("Violation::new(", 1),
    ("Error::invalid(", 1),
    (".refuse(", 1),
    ("refused(", 1),
    ("refuse_item(", 2),
    ("Fault::in_event(", 1),
    ("Fault::in_rule(", 1),
];

/// An argument of a call, from what stands behind its parenthesis.
fn argument(after: &str, position: usize) -> String {
    let (mut depth, mut quoted, mut found, mut at) = (0, false, String::new(), 0);
    for c in after.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted && depth == 0 => break,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                at += 1;
                continue;
            }
            _ => {}
        }
        if at == position {
            found.push(c);
        }
    }
    found.trim().to_owned()
}
