//! What an app may do for the user whose token it has.

use serde_json::{Value, json};
use shared::notification::MAX_GROUP;

use super::operation::{Operation, with_default};
use super::schema::{either, flag, moment, named, text, words};

/// The operations.
pub fn operations() -> Vec<Operation> {
    let all = [inbox(), marks(), devices(), settings()];
    all.into_iter().flatten().collect()
}

/// The parameters of a list of notifications.
pub fn filtered(operation: Operation) -> Operation {
    let types = format!(
        "^[a-z0-9._-]{{1,{0}}}(,[a-z0-9._-]{{1,{0}}}){{0,19}}$",
        shared::id::MAX_TYPE
    );
    let states = words(&["unread", "read", "archived", "all"]);
    operation
        .paged()
        .consistent()
        .query("status?", states, "`unread` and `read` of what is not archived, `archived`, or `all`; what is not archived if left out.")
        .query("type?", json!({"type": "string", "pattern": types}), "Of one of up to 20 types, with commas between them.")
        .query("actor?", named("Id"), "By this actor.")
        .query("group?", text(MAX_GROUP), "In this group.")
        .query("since?", moment(), "Accepted at this moment or later.")
        .query("until?", moment(), "Accepted before this moment.")
        .data_paths()
        .query("grouped?", with_default(flag(), false), "Whether notifications of one group on the page are one entry.")
        .gives(200, named("Inbox"), "A page of the inbox. It examines 500 notifications at most, and then ends with its cursor.")
}

fn inbox() -> Vec<Operation> {
    let etag: Value = json!({"type": "string"});
    vec![
        filtered(Operation::new(
            "GET /v1/me/notifications",
            "listNotifications",
            "The inbox, newest first, with its counts",
        )),
        Operation::new(
            "GET /v1/me/notifications/counts",
            "getCounts",
            "The counts of the inbox alone",
        )
        .consistent()
        .header(
            "If-None-Match",
            etag,
            "The `ETag` of the counts that the caller has.",
        )
        .gives(200, named("Counts"), "The counts.")
        .with_header(200, "ETag", "Names these counts.")
        .empty(304, "The counts are those that the caller has.")
        .with_header(304, "ETag", "Names these counts."),
        Operation::new(
            "GET /v1/me/notifications/{id}",
            "getNotification",
            "One notification",
        )
        .gives(200, named("Notification"), "The notification.")
        .refuses(&[404]),
    ]
}

fn marks() -> Vec<Operation> {
    let one = |route, id, summary| {
        Operation::new(route, id, summary)
            .gives(200, named("Notification"), "The notification as it is now.")
            .refuses(&[404, 409])
    };
    let of_group_or_up_to = either(vec![named("MarkUpTo"), named("MarkGroup")]);
    vec![
        one("PUT /v1/me/notifications/{id}/read", "markRead", "Opened"),
        one(
            "DELETE /v1/me/notifications/{id}/read",
            "markUnread",
            "Not opened after all",
        ),
        one(
            "PUT /v1/me/notifications/{id}/archived",
            "archive",
            "Hidden from the list",
        ),
        one(
            "DELETE /v1/me/notifications/{id}/archived",
            "unarchive",
            "Shown in the list again",
        ),
        Operation::new(
            "POST /v1/me/notifications/read",
            "markManyRead",
            "Everything up to one, or a group, is read",
        )
        .takes(of_group_or_up_to, "What is read.")
        .gives(200, named("Counts"), "The counts as they are now.")
        .refuses(&[409]),
        Operation::new(
            "POST /v1/me/notifications/seen",
            "markSeen",
            "Everything up to one was in a list that was opened",
        )
        .takes(named("MarkUpTo"), "What is seen.")
        .gives(200, named("Counts"), "The counts as they are now.")
        .refuses(&[409]),
    ]
}

fn devices() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/me/devices", "listDevices", "The user's devices")
            .gives(200, named("Devices"), "Up to 20 devices."),
        Operation::new("PUT /v1/me/devices/{device_id}", "registerDevice", "Registers the device that the app runs on")
            .says("An app does so at each start. A token goes with the device that registered it last. Of more than 20 devices the one that was silent for longest goes.")
            .takes(named("Registration"), "The device.")
            .gives(200, named("Device"), "It was registered already, and is as it was announced now.")
            .gives(201, named("Device"), "It is registered.")
            .refuses(&[409]),
        Operation::new("DELETE /v1/me/devices/{device_id}", "removeDevice", "Removes a device")
            .empty(204, "It is gone.")
            .refuses(&[409, 422]),
        Operation::new("POST /v1/me/devices/{device_id}/test", "testDevice", "A test push to one device, at once and in no inbox")
            .takes(named("Text"), "What it shows; that it is a test if left out.")
            .or_nothing()
            .gives(200, named("Trial"), "What SNS said: `sent`; `dead`, and a dead device is removed; `blocked` if the SNS application may not be used.")
            .refuses(&[404, 409]),
    ]
}

fn settings() -> Vec<Operation> {
    vec![
        Operation::new(
            "GET /v1/me/preferences",
            "getPreferences",
            "What the user wants, and what is muted",
        )
        .gives(
            200,
            named("Settings"),
            "The preferences, and the mutes that are not over.",
        ),
        Operation::new(
            "PUT /v1/me/preferences",
            "putPreferences",
            "Replaces the preferences, and leaves the mutes",
        )
        .takes(
            named("Preferences"),
            "All of them: what is left out is as if it had never been set.",
        )
        .gives(
            200,
            named("ShownPreferences"),
            "The preferences as they are now.",
        ),
        Operation::new(
            "PUT /v1/me/mutes/{kind}/{id}",
            "mute",
            "Mutes an actor or a group",
        )
        .says("At most 200 for a user.")
        .takes(named("MuteUntil"), "Until when; for good without a body.")
        .or_nothing()
        .gives(200, named("Mute"), "It is muted.")
        .refuses(&[409]),
        Operation::new("DELETE /v1/me/mutes/{kind}/{id}", "unmute", "Ends a mute")
            .empty(204, "It is not muted.")
            .refuses(&[409, 422]),
    ]
}
