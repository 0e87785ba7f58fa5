//! The counts of an inbox.

use shared::error::Result;
use shared::http::{self, Reply, Request, counts_view, has_etag};
use shared::id::fingerprint;
use shared::inbox::Inbox;

/// The counts alone; 304 if the caller has them.
pub async fn counts(inbox: &Inbox<'_>, request: &Request) -> Result<Reply> {
    http::query(request, &["consistent"])?;
    let counts = counts_view(inbox.counts().await?);
    let etag = format!("\"{}\"", fingerprint(&counts.to_string()));
    let reply = if has_etag(request, &etag) {
        Reply::not_modified()
    } else {
        Reply::ok(&counts)?
    };
    Ok(reply.header("etag", &etag))
}
