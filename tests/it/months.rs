//! Which months are read for what everyone gets.

use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use jiff::Timestamp;
use shared::broadcast::Broadcasts;
use shared::id::NotificationId;
use shared::store::Store;
use shared::store::keys::Key;

use crate::broadcasts::RETENTION;
use crate::ground::{self, Ground};
use crate::table::{self, n, s};

/// Writes rows of everyone's, one a second from `first` on: tombstones, and last one that is live.
async fn plant_rows(ground: &Ground, first: &str, tombstones: u64) -> NotificationId {
    let first: Timestamp = first.parse().unwrap();
    let ids = (0..=tombstones).map(|n| NotificationId::draw(first - Duration::from_secs(n)));
    let ids: Vec<NotificationId> = ids.collect();
    let live = *ids.last().unwrap();
    let puts = ids.iter().map(|id| {
        let key = Key::Broadcast(*id);
        let mut item = table::Item::from([
            ("pk".to_owned(), s(&key.pk())),
            ("sk".to_owned(), s(&key.sk())),
            ("v".to_owned(), n(1)),
            ("expires_at".to_owned(), n(table::FUTURE)),
        ]);
        let what = if *id == live {
            ("t", s("app.news"))
        } else {
            ("z", n(1))
        };
        item.insert(what.0.to_owned(), what.1);
        let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    for puts in puts.collect::<Vec<_>>().chunks(25) {
        let write = ground.client().batch_write_item();
        write
            .request_items(ground.table(), puts.to_vec())
            .send()
            .await
            .unwrap();
    }
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_over_and_empty_is_not_read_again_and_what_is_gone_hides_nothing() {
    let ground = Ground::new().await;
    let proxy = ground.proxy(false).await;
    let client = ground::client(&proxy.dynamodb);
    let store = Store::new(client, ground.table().to_owned());
    let live = plant_rows(&ground, "2026-09-20T00:00:00Z", 130).await;
    let months = async |broadcasts: &Broadcasts, at: &str| {
        proxy.take_calls();
        let found = broadcasts.current(at.parse().unwrap()).await.unwrap();
        let found: Vec<NotificationId> = found.iter().map(|n| n.id).collect();
        assert_eq!(found, [live], "{at}");
        let mut months: Vec<String> = ["08", "09", "10", "11", "12"].map(str::to_owned).into();
        months.retain(|month| !proxy.calls(&format!("B#2026-{month}")).is_empty());
        assert!(
            proxy.take_calls().len() <= months.len() + 1,
            "each is read once"
        );
        months
    };
    let one = Broadcasts::new(store.clone(), RETENTION);
    assert_eq!(
        months(&one, "2026-11-20T00:00:00Z").await,
        ["08", "09", "10", "11"]
    );
    assert_eq!(months(&one, "2026-11-20T00:00:10Z").await, ["09", "11"]);
    assert_eq!(
        months(&one, "2026-12-10T00:00:00Z").await,
        ["09", "11", "12"]
    );
    assert_eq!(months(&one, "2026-12-10T00:00:10Z").await, ["09", "12"]);
    // What was stored in a month's last second may not be seen yet.
    let two = Broadcasts::new(store, RETENTION);
    assert_eq!(
        months(&two, "2026-12-01T00:30:00Z").await,
        ["09", "10", "11", "12"]
    );
    assert_eq!(
        months(&two, "2026-12-01T00:30:10Z").await,
        ["09", "11", "12"]
    );
    assert_eq!(
        months(&two, "2026-12-01T01:30:00Z").await,
        ["09", "11", "12"]
    );
    assert_eq!(months(&two, "2026-12-01T01:30:10Z").await, ["09", "12"]);
}
