//! The table of what is covered says what is, and everything in it is.

use std::fs;

use tests::reliability::{DOCUMENT, problems, render, tests};

use crate::stack::root;

#[test]
fn every_promise_and_fault_has_its_tests_and_the_page_is_not_stale() {
    let found = problems(&root()).unwrap();
    assert!(found.is_empty(), "{found:#?}");
    let page = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let stale = "run `cargo run -p tests --bin reliability`";
    assert!(page == render(&root()).unwrap(), "{DOCUMENT}: {stale}");
}

#[test]
fn the_tests_of_every_crate_are_found_by_their_paths() {
    let tests = tests(&root()).unwrap();
    assert!(tests.len() > 400, "{} tests", tests.len());
    for (path, proof) in [
        (
            "it::reliability::the_tests_of_every_crate_are_found_by_their_paths",
            false,
        ),
        (
            "it::kills::f39_i5_a_sweep_killed_at_any_call_loses_nothing_and_doubles_what_one_kill_may",
            true,
        ),
        (
            "it::answers::f23_what_the_operator_must_mend_kills_neither_the_push_nor_the_device",
            true,
        ),
        (
            "shared::page::tests::f42_a_cursor_is_read_back_by_its_user_and_filter_alone",
            false,
        ),
        (
            "shared::push::payload::tests::f24_whatever_the_text_a_payload_fits_and_ends_with_a_whole_character",
            false,
        ),
    ] {
        let test = tests.iter().find(|test| test.path == path);
        assert_eq!(test.map(|test| test.proof), Some(proof), "{path}");
    }
    let several = tests
        .iter()
        .find(|test| test.path.contains("f22_f35_i10_"))
        .unwrap();
    assert_eq!(several.rows(), ["F22", "F35", "I10"]);
}

#[test]
fn every_test_that_a_mutant_names_exists() {
    let known: Vec<String> = tests(&root())
        .unwrap()
        .into_iter()
        .map(|test| test.path)
        .collect();
    let mut count = 0;
    for file in fs::read_dir(root().join("tests/src/bin/mutants")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split("tests: &[").skip(1) {
            let names = part
                .split(']')
                .next()
                .unwrap()
                .split('"')
                .skip(1)
                .step_by(2);
            for name in names {
                assert!(known.iter().any(|path| path == name), "{name} is no test");
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count} names");
}
