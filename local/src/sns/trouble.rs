//! Tokens that are kept for trouble: a device registered with one behaves badly in a known way.

use super::endpoints::Endpoint;
use super::refusal::Refusal;
use rusqlite::Connection;

/// What a publish to an endpoint comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The publish is accepted, and the endpoint disabled after it: SNS learns of a dead token late.
    Disabled,
    /// The first publishes are refused with `Throttled`: as many as the token says
    /// (`error-throttled-6-…`), else [`THROTTLED`].
    Throttled,
    /// Every publish ends in a 500.
    Internal,
    /// The platform application is disabled.
    ApplicationDisabled,
}

/// How a token has to begin for each trouble.
const TOKENS: [(&str, Trouble); 4] = [
    ("error-disabled-", Trouble::Disabled),
    ("error-throttled-", Trouble::Throttled),
    ("error-internal-", Trouble::Internal),
    ("error-application-", Trouble::ApplicationDisabled),
];

/// How often a throttled token is refused before it is let through.
const THROTTLED: u32 = 2;

/// The trouble that this token asks for.
pub(super) fn of(token: &str) -> Option<Trouble> {
    TOKENS
        .iter()
        .find(|(start, _)| token.starts_with(start))
        .map(|(_, trouble)| *trouble)
}

/// The refusal of this publish, if its endpoint asks for one.
pub(super) fn refuse(
    connection: &Connection,
    endpoint: &Endpoint,
) -> rusqlite::Result<Option<Refusal>> {
    Ok(match of(&endpoint.token) {
        None | Some(Trouble::Disabled) => None,
        Some(Trouble::Internal) => Some(Refusal::internal()),
        Some(Trouble::ApplicationDisabled) => Some(Refusal::new(
            400,
            "PlatformApplicationDisabled",
            "The platform application is disabled",
        )),
        Some(Trouble::Throttled) => {
            let refused: u32 = connection.query_row(
                "UPDATE endpoints SET refused = refused + 1 WHERE arn = ?1 RETURNING refused",
                [&endpoint.arn],
                |row| row.get(0),
            )?;
            let number = endpoint.token.split('-').nth(2);
            let limit = number
                .and_then(|number| number.parse().ok())
                .unwrap_or(THROTTLED);
            (refused <= limit).then(|| Refusal::new(429, "Throttled", "Rate exceeded"))
        }
    })
}
