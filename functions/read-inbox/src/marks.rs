//! Read, unread, archived, seen: of one notification, of a group, of everything up to one.

use serde_json::Value;
use shared::contract::Fields;
use shared::error::{Error, Result, Violation};
use shared::http::{self, Reply, Request, counts_view};
use shared::id::NotificationId;
use shared::inbox::Inbox;
use shared::marks::Watermark;
use shared::notification::MAX_GROUP;
use shared::store::Mark;

/// The largest body, in bytes.
const MAX_BODY: usize = 65_536;

/// What a request marks.
enum Extent {
    UpTo(NotificationId),
    Group(String),
}

/// Marks the notification that the path names.
pub async fn one(inbox: &Inbox<'_>, request: &Request, mark: Mark) -> Result<Reply> {
    http::query(request, &[])?;
    let notification = inbox.mark(http::notification_id(request)?, mark).await?;
    Reply::ok(&notification.view())
}

/// Marks everything up to an id, or a group as read; answers with the counts.
pub async fn many(inbox: &Inbox<'_>, request: &Request, watermark: Watermark) -> Result<Reply> {
    http::query(request, &[])?;
    let extent = extent(http::body(request, MAX_BODY)?, watermark)?;
    let inbox = Inbox {
        consistent: true,
        ..*inbox
    };
    let counts = match extent {
        Extent::UpTo(id) => inbox.count(&inbox.mark_up_to(watermark, id).await?).await?,
        Extent::Group(group) => {
            inbox.mark_group(&group).await?;
            inbox.counts().await?
        }
    };
    Reply::ok(&counts_view(counts))
}

fn extent(body: Value, watermark: Watermark) -> Result<Extent> {
    let mut violations = Vec::new();
    let mut extent = None;
    if let Some(mut fields) = Fields::of(body, "", &mut violations) {
        let up_to = fields.text("up_to", 64);
        let group = match watermark {
            Watermark::Read => fields.text("group", MAX_GROUP),
            Watermark::Seen => None,
        };
        match (up_to, group) {
            (Some(id), None) => {
                extent = NotificationId::parse(&id).map(Extent::UpTo);
                if extent.is_none() {
                    fields.refuse("up_to", "format", "must be the id of a notification");
                }
            }
            (None, Some(group)) => extent = Some(Extent::Group(group)),
            (Some(_), Some(_)) => {
                fields.refuse("group", "exclusive", "cannot be given beside up_to");
            }
            (None, None) => {}
        }
        fields.finish();
    }
    match extent {
        Some(extent) if violations.is_empty() => Ok(extent),
        None if violations.is_empty() => {
            violations.push(Violation::new("/up_to", "required", "is required"));
            Err(Error::Invalid(violations))
        }
        _ => Err(Error::Invalid(violations)),
    }
}
