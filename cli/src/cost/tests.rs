//! The bill of a load, line by line.

use super::{Load, Usage, grouped, number, report, savings};

fn load(notifications: f64) -> Load {
    Load {
        notifications,
        devices: 1.0,
        reads: 1.0,
        counts: 0.0,
        marks: 0.0,
        batch: 1,
        keyed: false,
        days: 90.0,
        bytes: 350.0,
    }
}

fn dollars(load: &Load, what: &str) -> f64 {
    let lines = Usage::of(load).unwrap().lines();
    lines.iter().find(|line| line.what == what).unwrap().dollars
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 0.005, "{found}, not {expected}");
}

#[test]
fn numbers_may_end_in_k_and_m() {
    for (text, expected) in [("30M", 30e6), ("1.5k", 1_500.0), ("0.3", 0.3), ("0", 0.0)] {
        assert!((number(text).unwrap() - expected).abs() < 1e-9, "{text}");
    }
    for bad in [
        "", "M", "-1", "1e3", "inf", "NaN", "3x", "30 M", "2000000M", "1.2.3", ".",
    ] {
        assert!(number(bad).is_err(), "{bad}");
    }
    assert_eq!(grouped(1_234_567.0), "1,234,567");
    assert_eq!(
        (grouped(1.30), grouped(100.0)),
        ("1.3".to_owned(), "100".to_owned())
    );
}

#[test]
fn a_million_with_one_device_and_one_read_costs_what_the_counts_say() {
    let million = load(1e6);
    near(dollars(&million, "requests"), 2.0);
    near(dollars(&million, "write units"), 2.0 * 0.625);
    // Four units for the push and one and a half for the page; and the minute's sweeps.
    near(dollars(&million, "read units"), 11.0 * 0.125);
    near(dollars(&million, "pushes"), 1.0);
    near(
        dollars(&million, "GB stored"),
        3.0e6 * 450.0 / 1_073_741_824.0 * 0.25,
    );
    let keyed = Load {
        keyed: true,
        ..million.clone()
    };
    near(dollars(&keyed, "write units"), 3.0 * 0.625);
    let batch = Load { batch: 25, ..keyed };
    near(dollars(&batch, "write units"), 2.04 * 0.625);
    near(dollars(&batch, "requests"), 1.04);
}

#[test]
fn twice_the_load_is_twice_the_bill_beside_the_sweeps() {
    for what in [
        "requests",
        "write units",
        "GB stored",
        "GB of recovery",
        "pushes",
    ] {
        near(dollars(&load(2e6), what), 2.0 * dollars(&load(1e6), what));
    }
}

#[test]
fn what_saves_most_stands_first_and_what_costs_more_is_not_advised() {
    let savings = savings::all(&load(30e6)).unwrap();
    assert!(savings.is_sorted_by(|one, other| one.dollars >= other.dollars));
    let text = report(&load(30e6)).unwrap();
    let first = format!("The next saving: {}", savings[0].what);
    assert!(text.contains(&first), "{text}");
    let stored = Load {
        reads: 0.0,
        days: 3_650.0,
        bytes: 5_000.0,
        ..load(1e6)
    };
    let savings = savings::all(&stored).unwrap();
    assert!(savings[0].what.contains("Infrequent"), "{savings:?}");
    // With few rows the dearer requests outweigh the cheaper storage.
    let few = Load {
        days: 1.0,
        ..load(1e6)
    };
    assert!(!report(&few).unwrap().contains("Infrequent"));
    assert!(
        !report(&load(0.0))
            .unwrap()
            .contains("million notifications")
    );
}
