//! What backend services may do.

use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{always, count, either, gives, many, moment, named, page, string, text, words};

const REPLAYED: &str = "Idempotency-Replayed";
const REPLAYED_SAYS: &str = "`true`: the request had been accepted before.";

/// The schemas by their names.
pub fn shapes() -> Vec<(&'static str, Value)> {
    let statuses = ["created", "scheduled", "duplicate", "retracted"];
    let became = || words(&statuses);
    let id = "The notification's id; the schedule's if it is `scheduled`.";
    let to_user = gives(vec![
        ("recipient", named("Id"), ""),
        ("id", named("NotificationId"), id),
        ("status", became(), ""),
    ]);
    let to_everyone = gives(vec![
        ("everyone", always(true), ""),
        ("id", named("NotificationId"), id),
        ("status", became(), ""),
    ]);
    let to_topic = gives(vec![
        ("topic", named("Id"), ""),
        (
            "job",
            named("NotificationId"),
            "The job that tells the members.",
        ),
    ]);
    let result = || either(vec![named("UserResult"), named("EveryoneResult")]);
    let any_result = vec![
        named("UserResult"),
        named("EveryoneResult"),
        named("TopicResult"),
    ];
    let stored = gives(vec![
        ("status", json!({"enum": [200, 201]}), ""),
        ("data", many(result()), ""),
    ]);
    let begun = gives(vec![
        ("status", always(202), ""),
        ("job", named("NotificationId"), "The job that does it."),
        told_everyone(),
    ]);
    let begun_one = gives(vec![
        ("job", named("NotificationId"), "The job that does it."),
        told_everyone(),
    ]);
    let logged = gives(vec![
        ("source", string(), ""),
        ("id", string(), ""),
        (
            "status",
            words(&["logged", "duplicate"]),
            "Whether it had been accepted before.",
        ),
        (
            "notifications",
            many(either(any_result)),
            "What its rule made of it; empty once that is settled.",
        ),
    ]);
    let event = gives(vec![
        ("status", json!({"enum": [200, 201]}), ""),
        ("data", named("LoggedEvent"), ""),
    ]);
    let member = gives(vec![("user", named("Id"), ""), ("joined_at", moment(), "")]);
    let joined = gives(vec![
        ("topic", named("Id"), ""),
        ("users", count(), "How many users the request named."),
    ]);
    let mut found = gives(vec![
        ("specversion", always("1.0"), ""),
        ("id", string(), ""),
        ("source", string(), ""),
        ("type", string(), ""),
        ("subject?", string(), ""),
        ("time?", moment(), ""),
        ("data", super::schema::free(), ""),
        ("received_at", moment(), "When it came first."),
    ]);
    found["additionalProperties"] = json!({"type": ["string", "boolean", "integer"]});
    vec![
        ("UserResult", to_user),
        ("EveryoneResult", to_everyone),
        ("TopicResult", to_topic),
        (
            "Results",
            gives(vec![(
                "data",
                many(result()),
                "One for each recipient, in their order.",
            )]),
        ),
        ("StoredItem", stored),
        ("BegunItem", begun),
        ("BegunNotification", begun_one),
        (
            "BatchResults",
            gives(vec![(
                "data",
                many(either(vec![
                    named("StoredItem"),
                    named("BegunItem"),
                    named("ItemProblem"),
                ])),
                "One for each notification, in their order.",
            )]),
        ),
        ("LoggedEvent", logged),
        ("Ingested", gives(vec![("data", named("LoggedEvent"), "")])),
        ("EventItem", event),
        (
            "EventResults",
            gives(vec![(
                "data",
                many(either(vec![named("EventItem"), named("ItemProblem")])),
                "One for each event, in their order.",
            )]),
        ),
        ("FoundEvent", found),
        ("FoundEvents", page(named("FoundEvent"))),
        ("Member", member),
        ("Members", page(named("Member"))),
        ("Joined", joined),
    ]
}

/// What was stored for everyone, beside the job that pushes it.
fn told_everyone() -> super::schema::Field {
    (
        "data?",
        many(named("EveryoneResult")),
        "What was stored for everyone, if the job pushes it.",
    )
}

/// The operations.
pub fn operations() -> Vec<Operation> {
    let all = [notifications(), events(), topics()];
    all.into_iter().flatten().collect()
}

fn notifications() -> Vec<Operation> {
    vec![
        Operation::new("POST /v1/notifications", "createNotification", "One notification, stored for each recipient and pushed")
            .says("To 1 to 1,000 users, to the members of a topic (a job), or to everyone (stored once; a job pushes it to the members of a topic). A body has at most 64 KB.")
            .keyed()
            .traced()
            .takes(named("NotificationRequest"), "The notification.")
            .gives(200, named("Results"), "Every recipient had it already.")
            .with_header(200, REPLAYED, REPLAYED_SAYS)
            .gives(201, named("Results"), "It is stored, or scheduled.")
            .with_header(201, REPLAYED, REPLAYED_SAYS)
            .gives(202, named("BegunNotification"), "A job tells the members of the topic.")
            .with_header(202, REPLAYED, REPLAYED_SAYS)
            .refuses(&[409]),
        Operation::new("POST /v1/notifications/batch", "createNotifications", "1 to 100 notifications, each with a result of its own")
            .says("All are checked before the first is stored; those that are valid are stored. A body has at most 1 MB.")
            .keyed()
            .traced()
            .takes(named("BatchRequest"), "The notifications.")
            .gives(207, named("BatchResults"), "What became of each.")
            .with_header(207, REPLAYED, REPLAYED_SAYS)
            .refuses(&[409]),
        Operation::new("DELETE /v1/notifications/{id}", "retractNotification", "Takes a notification back, or cancels a schedule")
            .says("It is gone from the inbox and from the screens that show it. One of `recipient` and `everyone` is required. Doing it twice is doing it once.")
            .query("recipient?", named("Id"), "Whose it is.")
            .query("everyone?", words(&["true"]), "It is everyone's.")
            .empty(204, "It is taken back.")
            .refuses(&[404, 409]),
        Operation::new("DELETE /v1/notifications", "retractByDedupeKey", "Takes back what holds a dedupe key")
            .says("If nothing does, there is nothing to take back.")
            .query("recipient", named("Id"), "Whose it is.")
            .query("dedupe_key", text(shared::notification::MAX_DEDUPE_KEY), "The key.")
            .empty(204, "Nothing holds the key any more.")
            .refuses(&[409]),
        Operation::new("GET /v1/jobs/{job}", "getJob", "How far a job is")
            .gives(200, named("Job"), "The job.")
            .refuses(&[404]),
        Operation::new("DELETE /v1/jobs/{job}", "cancelJob", "Stops a job")
            .says("What its parts have begun is finished, and nothing is taken back. An erase cannot be stopped.")
            .empty(204, "It goes no further.")
            .refuses(&[404, 409, 422]),
    ]
}

fn events() -> Vec<Operation> {
    let one_or_many = either(vec![named("Event"), named("Events")]);
    let bodies = [
        ("application/cloudevents+json", named("Event")),
        ("application/cloudevents-batch+json", named("Events")),
        ("application/json", one_or_many),
    ];
    vec![
        Operation::new("POST /v1/events", "sendEvents", "What happened, as CloudEvents: logged, and told as the rule of its type says")
            .says("One event of up to 64 KB, or a batch of 1 to 100 and up to 1 MB. In the binary mode of CloudEvents the headers `ce-specversion`, `ce-id`, \
                `ce-source`, `ce-type`, `ce-subject`, `ce-time` and others have the attributes, percent-encoded, and the body of type `application/json`, or none, is the event's `data`.")
            .traced()
            .takes_any(&bodies, "An event, or several.")
            .gives(200, named("Ingested"), "It had been accepted before.")
            .with_header(200, REPLAYED, REPLAYED_SAYS)
            .gives(201, named("Ingested"), "It is in the log, and what its rule says is stored.")
            .gives(207, named("EventResults"), "What became of each event of a batch.")
            .refuses(&[409]),
        Operation::new("GET /v1/events", "findEvents", "The action log of a subject, newest first")
            .says("A page examines 500 events at most, and then ends with its cursor, whether the filter found something or not.")
            .query("subject", super::schema::text(shared::event::MAX_NAME), "What the events are about.")
            .query("type?", json!({"type": "string"}), "Of this type.")
            .query("actor?", json!({"type": "string"}), "By this actor.")
            .query("since?", moment(), "Happened at this moment or later.")
            .query("until?", moment(), "Happened before this moment.")
            .data_paths()
            .paged()
            .gives(200, named("FoundEvents"), "The events."),
    ]
}

fn topics() -> Vec<Operation> {
    vec![
        Operation::new(
            "PUT /v1/topics/{topic}/members/{user}",
            "joinTopic",
            "Makes a user a member of a topic",
        )
        .gives(200, named("Member"), "The user was a member already.")
        .gives(201, named("Member"), "The user is a member now.")
        .refuses(&[409, 422]),
        Operation::new(
            "DELETE /v1/topics/{topic}/members/{user}",
            "leaveTopic",
            "Ends a membership",
        )
        .empty(204, "The user is no member.")
        .refuses(&[409, 422]),
        Operation::new(
            "POST /v1/topics/{topic}/members",
            "joinTopicTogether",
            "Makes 1 to 1,000 users members of a topic",
        )
        .says("Who is one already stays one. A body has at most 256 KB.")
        .takes(named("MembersRequest"), "Who joins.")
        .gives(200, named("Joined"), "All of them are members.")
        .refuses(&[409]),
        Operation::new(
            "GET /v1/topics/{topic}/members",
            "listMembers",
            "The members of a topic, in an order of the table's own",
        )
        .paged()
        .gives(200, named("Members"), "The members.")
        .refuses(&[422]),
    ]
}
