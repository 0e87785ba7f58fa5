//! What a function's answer says about its batch.

use serde_json::Value;

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Every record is done.
    Done,
    /// The record at this index is the first that failed; those before it are done.
    FailedFrom(usize),
    /// The answer cannot be used, for this reason: the whole batch failed.
    Unusable(String),
}

/// Reads `batchItemFailures`. An empty or absent list is success; an identifier that is empty, null, misspelt or not of
/// this batch fails all of it.
pub(super) fn read(body: &[u8], sequences: &[&str]) -> Answer {
    match failures(body, sequences) {
        Err(reason) => Answer::Unusable(reason),
        Ok(failed) => {
            let lowest = failed.into_iter().min();
            lowest.map_or(Answer::Done, Answer::FailedFrom)
        }
    }
}

/// The indexes of the records that `batchItemFailures` names, in no order and perhaps twice; the identifiers of the
/// batch's records are `identifiers`. An answer that cannot be used is an error that says why.
pub(super) fn failures(body: &[u8], identifiers: &[&str]) -> Result<Vec<usize>, String> {
    let unusable = |reason: &str| Err(format!("{reason}: {}", String::from_utf8_lossy(body)));
    if body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return unusable("the answer is not JSON");
    };
    let failures = match &answer {
        Value::Null => return Ok(Vec::new()),
        Value::Object(answer) => answer.get("batchItemFailures"),
        _ => return unusable("the answer is not an object"),
    };
    let failures = match failures {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(failures)) => failures,
        Some(_) => return unusable("batchItemFailures is not a list"),
    };
    let mut indexes = Vec::new();
    for failure in failures {
        let wanted = failure.get("itemIdentifier").and_then(Value::as_str);
        match wanted.and_then(|wanted| identifiers.iter().position(|each| *each == wanted)) {
            Some(index) => indexes.push(index),
            None => return unusable("batchItemFailures names no record of the batch"),
        }
    }
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_lambda_says() {
        let sequences = ["10", "11", "12"];
        let unusable =
            |body: &str| matches!(read(body.as_bytes(), &sequences), Answer::Unusable(_));
        for done in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
        ] {
            assert_eq!(read(done.as_bytes(), &sequences), Answer::Done, "{done}");
        }
        for failed in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifer":"11"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"99"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"11"},{"itemIdentifier":"99"}]}"#,
            r#"{"batchItemFailures":"11"}"#,
            r#""ok""#,
            "{",
        ] {
            assert!(unusable(failed), "{failed}");
        }
        let two = br#"{"batchItemFailures":[{"itemIdentifier":"12"},{"itemIdentifier":"11"}]}"#;
        assert_eq!(read(two, &sequences), Answer::FailedFrom(1));
    }
}
